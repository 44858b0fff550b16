/** The first process of a `tiny` guest: network, a web page with its own name, and an orderly end. Run by busybox sh. */

/** Printed on the console when the guest serves. */
export const readyMark = 'baton: ready'

export const init = `#!/bin/sh
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /run /www
mount -t devpts devpts /dev/pts

for module in $(cat /lib/modules/order); do insmod /lib/modules/$module.ko; done

argument() { # the value of NAME= on the kernel's command line
  for word in $(cat /proc/cmdline); do
    case "$word" in "$1="*) echo "\${word#*=}" ;; esac
  done
}

name=$(argument baton.name)
[ -n "$name" ] || name=tiny
hostname "$name"

ip link set lo up
ip link set eth0 up
static=$(argument ip)
if [ -n "$static" ]; then # ip=ADDRESS::GATEWAY:NETMASK:NAME:DEVICE:off, as the kernel's nfsroot.rst has it
  address=$(echo "$static" | cut -d: -f1)
  gateway=$(echo "$static" | cut -d: -f3)
  netmask=$(echo "$static" | cut -d: -f4)
  ifconfig eth0 "$address" netmask "$netmask"
  [ -z "$gateway" ] || ip route add default via "$gateway"
else
  udhcpc -q -n -t 8 -T 1 -i eth0 -s /lease || echo "baton: no DHCP answer"
fi

echo "hello from $name" > /www/index.html
echo ok > /www/healthz
httpd -p 80 -h /www

power() { # orderly end: what runs is told, file systems are written back
  echo "baton: $1"
  kill -TERM -1
  sync
  umount -a -r 2>/dev/null
  $1 -f
}

( # the ACPI power button arrives as an input event of 24 bytes
  for event in /sys/class/input/event*; do
    [ "$(cat $event/device/name)" = "Power Button" ] || continue
    (dd if=/dev/input/\${event##*/} bs=24 count=1 of=/dev/null 2>/dev/null && kill -USR2 1) &
  done
) &

echo 0 > /proc/sys/kernel/ctrl-alt-del # Ctrl-Alt-Del comes to us as SIGINT instead of an immediate reset
trap 'power poweroff' USR2
trap 'power reboot' INT

echo "${readyMark}: $name serves on $(ip -4 -o addr show dev eth0 | awk '{print $4}')"
while :; do
  setsid sh -c 'exec sh -l </dev/ttyS0 >/dev/ttyS0 2>&1' &
  shell=$!
  while kill -0 $shell 2>/dev/null; do wait $shell; done
done
`

/** What udhcpc(8) runs for each event of a lease. */
export const leaseScript = `#!/bin/sh
case "$1" in
  bound|renew)
    ifconfig $interface $ip netmask $subnet
    for gateway in $router; do ip route replace default via $gateway dev $interface; break; done
    for server in $dns; do echo "nameserver $server"; done > /etc/resolv.conf
    ;;
esac
`
