/** What a host is asked, all in one command: each answer under its name, so that one that cannot be had is only empty. */

/**
 * What is on the device that was given as $1, however it was written: its name, what it is a part of or has on it, what
 * wipefs(8) knows, and whether its first megabyte holds anything at all.
 */
const diskScript = String.raw`[ -n "$1" ] || exit 0
d=$(readlink -f -- "$1"); [ -b "$d" ] || { echo "absent $1"; exit 0; }
echo "device $d $(blockdev --getsize64 "$d")"
lsblk -nrpo NAME,TYPE,MOUNTPOINT "$d" | sed 1d | sed 's/^/holds /'
for h in /sys/class/block/"$(basename "$d")"/holders/*; do [ -e "$h" ] && echo "used /dev/$(basename "$h")"; done
grep "^$d " /proc/mounts | sed 's/^[^ ]* \([^ ]*\) .*/mounted \1/'
grep "^$d " /proc/swaps | sed 's/.*/swap/'
wipefs -n -p -- "$d" | sed '/^#/d; s/.*,//; s/^/signature /'
pvs --noheadings -o vg_name -- "$d" | sed 's/^ */group /'
cmp -s -n 1048576 -- "$d" /dev/zero || echo data`

/** A name of a part, and what prints it. `sh` runs each; nothing is changed. */
const parts: readonly (readonly [string, string])[] = [
  ['os-release', 'cat /etc/os-release'],
  ['kernel', 'uname -r'],
  ['uid', 'id -u'],
  ['space', 'df -Pk /var/lib'],
  ['cpus', 'nproc'],
  ['cpuinfo', "grep -m1 -E '^(flags|Features)' /proc/cpuinfo"],
  ['meminfo', 'grep -E "^Mem(Total|Available):" /proc/meminfo'],
  // Loaded, or a part of the kernel.
  ['modules', String.raw`ls /sys/module; sed 's,.*/,,;s,\.ko.*,,;s,-,_,g' /lib/modules/$(uname -r)/modules.builtin`],
  ['devices', 'for d in /dev/kvm /dev/net/tun /dev/vhost-net /dev/mapper/control; do [ -e $d ] && echo $d; done'],
  ['hypervisor', 'cat /sys/hypervisor/type'],
  ['xen-capabilities', 'cat /proc/xen/capabilities'],
  ['xen-commandline', 'xl info xen_commandline'],
  ['secure-boot', 'mokutil --sb-state'],
  [
    'packages',
    "dpkg-query -W -f '${Package} ${Version} ${db:Status-Status}\\n' 2>/dev/null || rpm -qa --qf '%{NAME} %{VERSION} installed\\n'",
  ],
  [
    'programs',
    'for p in dnf virsh qemu-system-x86_64 /usr/libexec/qemu-kvm update-grub grub2-mkconfig ifup netplan networkctl nmcli baton; do command -v $p >/dev/null 2>&1 && echo $p; done',
  ],
  ['volume-groups', 'vgs --noheadings --nosuffix --units b --separator "|" -o vg_name,vg_size,vg_free'],
  ['links', 'ip -o -d link show'],
  ['routes', 'ip -o route show default; ip -o -6 route show default'],
  ['wireless', 'ls -d /sys/class/net/*/wireless'],
  [
    'networkd-files',
    `for n in $(ls /sys/class/net); do networkctl --no-pager status $n | sed -n "s/^ *Network File: /$n /p"; done`,
  ],
  ['connections', 'nmcli -t -f DEVICE,UUID connection show --active'],
  [
    'connection-settings',
    'nmcli -t -f UUID connection show --active | while read -r u; do echo "uuid:$u"; nmcli -t -f connection.autoconnect,connection.zone,802-3-ethernet.mtu,ipv4,ipv6 connection show "$u"; done',
  ],
  ['firmware', 'if [ -d /sys/firmware/efi ]; then echo efi; else echo bios; fi'],
  ['disk', diskScript],
  ['directory', '[ -d "$2" ] && echo "$2"'],
  [
    'grub-options',
    // Comments are what a menu is made from, and not the menu.
    'grep -hv "^[[:space:]]*#" /boot/grub/grub.cfg /boot/grub/menu.lst /boot/grub2/grub.cfg /boot/efi/EFI/*/grub.cfg | grep -o "dom0_mem=.*" | sort -u',
  ],
  [
    'units',
    'for u in NetworkManager.service libvirtd.service virtqemud.socket virtnetworkd.socket virtnodedevd.socket virtnwfilterd.socket virtsecretd.socket virtstoraged.socket virtinterfaced.socket virtproxyd.socket xendomains.service baton-guests.service; do systemctl is-enabled --quiet $u && echo $u; done',
  ],
  [
    'sysctls',
    'for k in net/ipv4/ip_forward net/ipv4/ip_nonlocal_bind net/bridge/bridge-nf-call-iptables; do echo "$k $(cat /proc/sys/$k)"; done',
  ],
  [
    'reboot',
    'for f in /run/reboot-required /var/run/reboot-required; do [ -e $f ] && echo $f; done; needs-restarting -r >/dev/null || [ $? != 1 ] || echo needs-restarting',
  ],
  ['btf', 'ls /sys/kernel/btf/vmlinux'],
]

/** Files that a preparation may edit or has to read, with what they hold now. */
const files: readonly string[] = [
  '/etc/default/grub',
  '/etc/default/grub.d/*.cfg',
  '/etc/default/xen',
  '/etc/default/xendomains',
  '/etc/sysconfig/xencommons',
  '/etc/sysconfig/xendomains',
  '/etc/systemd/system/baton-guests.service',
  '/boot/grub/menu.lst',
  '/boot/grub/grub.conf',
  '/etc/modules-load.d/baton.conf',
  '/etc/sysctl.d/90-baton.conf',
  '/etc/network/interfaces',
  '/etc/network/interfaces.d/*',
  '/etc/netplan/*.yaml',
  '/etc/systemd/network/*.net*',
  '/etc/systemd/network/*.network.d/*',
  '/run/systemd/network/*.network',
  '/usr/lib/systemd/network/*.network',
  '/etc/cloud/cloud.cfg.d/99-baton-network.cfg',
  '/etc/NetworkManager/conf.d/90-baton.conf',
]

/** For sh(1); $1 is a device that is asked about, or '', and $2 a directory. */
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
