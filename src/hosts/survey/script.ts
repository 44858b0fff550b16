/** What a host is asked, all in one command: each answer under its name, so that one that cannot be had is only empty. */

/** A name of a part, and what prints it. `sh` runs each; nothing is changed. */
const parts: readonly (readonly [string, string])[] = [
  ['os-release', 'cat /etc/os-release'],
  ['uname', 'uname -snrm'],
  ['uid', 'id -u'],
  ['boot', 'cat /proc/sys/kernel/random/boot_id'],
  ['cpus', 'nproc'],
  ['cpuinfo', "grep -m1 -E '^(flags|Features)' /proc/cpuinfo"],
  ['meminfo', 'grep -E "^Mem(Total|Available):" /proc/meminfo'],
  ['modules', 'cut -d" " -f1 /proc/modules'],
  ['devices', 'for d in /dev/kvm /dev/net/tun /dev/vhost-net /dev/mapper/control; do [ -e $d ] && echo $d; done'],
  ['hypervisor', 'cat /sys/hypervisor/type'],
  ['xen-capabilities', 'cat /proc/xen/capabilities'],
  ['xen-features', 'cat /sys/hypervisor/properties/features'],
  ['xen-commandline', 'xl info xen_commandline'],
  ['cmdline', 'cat /proc/cmdline'],
  ['boot-files', 'ls -1 /boot'],
  ['efi', '[ -d /sys/firmware/efi ] && echo efi'],
  ['secure-boot', 'mokutil --sb-state'],
  [
    'grub-files',
    'for f in /boot/grub/grub.cfg /boot/grub2/grub.cfg /boot/efi/EFI/*/grub.cfg /boot/grub/menu.lst; do [ -e "$f" ] && echo "$f"; done',
  ],
  ['grub-xen', 'grep -l "with Xen hypervisor" /boot/grub/grub.cfg /boot/grub2/grub.cfg /boot/efi/EFI/*/grub.cfg'],
  ['xen-boot-config', "sed -n '/^CONFIG_XEN_DOM0=/p;/^CONFIG_XEN_PV_DOM0=/p' /boot/config-$(uname -r)"],
  [
    'packages',
    "dpkg-query -W -f '${Package} ${Version} ${db:Status-Status}\\n' 2>/dev/null || rpm -qa --qf '%{NAME} %{VERSION} installed\\n'",
  ],
  [
    'programs',
    'for p in apt-get dnf yum xl virsh virt-install qemu-system-x86_64 qemu-img /usr/libexec/qemu-kvm ipvsadm keepalived debootstrap baton update-grub grub2-mkconfig netplan nmcli networkctl ifup ip brctl vgs systemctl node sudo; do command -v $p >/dev/null 2>&1 && echo $p; done',
  ],
  ['space', 'df -Pk / /boot /var/lib'],
  ['volume-groups', 'vgs --noheadings --nosuffix --units b --separator "|" -o vg_name,vg_size,vg_free'],
  ['block', 'lsblk -Pbnpo NAME,TYPE,SIZE,FSTYPE,MOUNTPOINT,PKNAME'],
  ['links', 'ip -o -d link show'],
  ['addresses', 'ip -o address show scope global'],
  ['routes', 'ip route show default'],
  [
    'managers',
    'for u in NetworkManager systemd-networkd networking; do systemctl is-active --quiet $u && echo $u; done',
  ],
  [
    'sysctls',
    'for k in net/ipv4/ip_forward net/ipv4/ip_nonlocal_bind net/bridge/bridge-nf-call-iptables; do echo "$k $(cat /proc/sys/$k)"; done',
  ],
  [
    'reboot',
    'for f in /run/reboot-required /var/run/reboot-required; do [ -e $f ] && echo $f; done; needs-restarting -r >/dev/null || [ $? != 1 ] || echo needs-restarting',
  ],
  ['resolv', 'cat /etc/resolv.conf'],
  ['capabilities', 'grep CapEff /proc/self/status'],
  ['btf', 'ls /sys/kernel/btf/vmlinux'],
  ['ssh', 'echo "$SSH_CONNECTION"'],
]

/** Files that a preparation may edit, with what they hold now. */
const files: readonly string[] = [
  '/etc/default/grub',
  '/etc/default/grub.d/*.cfg',
  '/boot/grub/menu.lst',
  '/boot/grub/grub.conf',
  '/etc/default/xen',
  '/etc/network/interfaces',
  '/etc/network/interfaces.d/*',
  '/etc/netplan/*.yaml',
  '/etc/systemd/network/*',
  '/etc/NetworkManager/conf.d/*',
  '/etc/modules-load.d/baton.conf',
  '/etc/sysctl.d/90-baton.conf',
]

export const surveyScript: string = [
  'exec 2>/dev/null; export LC_ALL=C PATH="$PATH:/usr/sbin:/sbin"',
  ...parts.map(([name, command]) => `printf '\\001%s\\n' ${name}; ( ${command} )`),
  `for f in ${files.join(' ')}; do [ -f "$f" ] || continue; printf '\\001file:%s\\n' "$f"; cat "$f"; done`,
  'exit 0',
].join('\n')

/** The answers by their names; those of files as `file:PATH`. */
export function parseParts(text: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>()
  for (const part of text.split('\u0001').slice(1)) {
    const end = part.indexOf('\n')
    found.set(part.slice(0, end), part.slice(end + 1))
  }
  return found
}
