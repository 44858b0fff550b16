/** What the plain machine does once, as an installer would: its keys, who may log in, and who sets up its network. */

/** What QEMU's fw_cfg brings in: opt/lab/network and opt/lab/key. */
export const firstBootUnit = `[Unit]
Description=Take the network and the key that the lab gave
DefaultDependencies=no
After=systemd-remount-fs.service systemd-udevd.service systemd-udev-trigger.service
Before=network-pre.target networking.service systemd-networkd.service NetworkManager.service ssh.service sysinit.target
Wants=network-pre.target
ConditionPathExists=!/etc/first-boot-done

[Service]
Type=oneshot
ExecStart=/usr/local/sbin/first-boot

[Install]
WantedBy=sysinit.target
`

/** The machine's one network card is named by udev as on any other machine: the files say UPLINK for it. */
export const firstBoot = `#!/bin/sh
set -e
modprobe qemu_fw_cfg
given() { cat "/sys/firmware/qemu_fw_cfg/by_name/opt/lab/$1/raw"; }
network=$(given network)
mkdir -p ~root/.ssh
given key > ~root/.ssh/authorized_keys
ssh-keygen -A
udevadm settle
for path in /sys/class/net/*; do [ "\${path##*/}" = lo ] || uplink=\${path##*/}; done
cd "/usr/share/networks/$network"
find . -type f | while read -r file; do
  mkdir -p "/\${file%/*}"
  sed "s/UPLINK/$uplink/g" "$file" > "/$file"
  # As installers leave them: what may hold passwords is root's, and systemd-networkd reads its own as another user.
  case $network in netplan | NetworkManager) chmod 600 "/$file" ;; esac
done
case $network in
  NetworkManager) unit=NetworkManager.service ;;
  ifupdown) unit=networking.service ;;
  *) unit=systemd-networkd.service ;;
esac
touch /etc/first-boot-done
systemctl enable "$unit"
[ "$network" != netplan ] || netplan generate
systemctl daemon-reload
systemctl --no-block start "$unit"
# The card came before there was a file that speaks of it.
[ "$network" != ifupdown ] || systemctl --no-block start "ifup@$uplink.service"
`

/** By who sets the network up; 10.0.2.15 is what QEMU's user network lets a port of the host through to. */
export const networkFiles: Readonly<Record<string, string>> = {
  'ifupdown/etc/network/interfaces': `# The loopback network interface
auto lo
iface lo inet loopback

# The primary network interface
allow-hotplug UPLINK
iface UPLINK inet dhcp
`,
  'netplan/etc/netplan/01-uplink.yaml': `network:
  version: 2
  renderer: networkd
  ethernets:
    # as it was installed
    UPLINK:
      dhcp4: true
`,
  'networkd/etc/systemd/network/80-uplink.network': `[Match]
Name=UPLINK

[Network]
# as it was installed
Address=10.0.2.15/24
Gateway=10.0.2.2
DNS=10.0.2.3
`,
  'NetworkManager/etc/NetworkManager/system-connections/Wired.nmconnection': `[connection]
id=Wired
uuid=5e1d7c9a-6f0b-4d55-9a43-2f3f6f1f6a11
type=ethernet
interface-name=UPLINK

[ipv4]
method=auto

[ipv6]
method=disabled
`,
}
