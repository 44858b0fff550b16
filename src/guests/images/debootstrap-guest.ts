/** What a bootstrapped Debian guest gets beside its packages: its name, its network, its console. */

/** `baton.name=` and `ip=` of the kernel's command line become the guest's own before anything asks for them. */
export const identityUnit = `[Unit]
Description=Take the name, the address and the size that the host gave
DefaultDependencies=no
After=systemd-remount-fs.service
Before=network-pre.target networking.service sysinit.target
Wants=network-pre.target

[Service]
Type=oneshot
ExecStart=/usr/local/sbin/baton-identity

[Install]
WantedBy=sysinit.target
`

export const identityScript = `#!/bin/sh
for word in $(cat /proc/cmdline); do
  case "$word" in
    baton.name=*)
      name=\${word#*=}
      echo "$name" > /etc/hostname
      hostname "$name"
      printf '127.0.0.1 localhost\\n127.0.1.1 %s\\n::1 localhost ip6-localhost ip6-loopback\\n' "$name" > /etc/hosts ;;
    ip=*:*) # ip=ADDRESS::GATEWAY:NETMASK:NAME:DEVICE:off, as the kernel's nfsroot.rst has it
      IFS=: read -r address _ gateway netmask _ <<EOF
\${word#*=}
EOF
      { printf 'auto lo eth0\\niface lo inet loopback\\niface eth0 inet static\\n  address %s\\n  netmask %s\\n' "$address" "$netmask"
        [ -z "$gateway" ] || echo "  gateway $gateway"; } > /etc/network/interfaces ;;
  esac
done
resize2fs "$(findmnt -n -o SOURCE /)" 2> /dev/null # the guest's disk may be larger than its image
swap=$(blkid -L swap) && swapon "$swap"
[ ! -d /etc/ssh ] || ssh-keygen -A
exit 0
`

export const interfaces = `auto lo eth0
iface lo inet loopback
iface eth0 inet dhcp
`

/** Who has the console has the host, which can read and write the guest's disk anyway: no password stands between. */
export const consoleDropIn = `[Service]
ExecStart=
ExecStart=-/sbin/agetty --autologin root --keep-baud 115200,57600,38400,9600 - $TERM
`
