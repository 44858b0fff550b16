/** What runs in a `tiny` guest: network, web pages with its own name, the script of its seed, a console, and an orderly end. Run by busybox sh. */

/** Printed on the console when the guest serves. */
export const readyMark = 'baton: ready'

export const init = `#!/bin/sh
export PATH=/bin HOME=/root
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts
mount -t devpts devpts /dev/pts

# Drivers of hardware that is not there, as Xen's elsewhere, say so: nobody asked.
for module in $(cat /lib/modules/order); do insmod /lib/modules/$module.ko 2>/dev/null; done

argument() { # the value of NAME= on the kernel's command line; the last one counts
  for word in $(cat /proc/cmdline); do
    case "$word" in "$1="*) echo "\${word#*=}" ;; esac
  done | tail -n 1
}

power() { # what runs is told, file systems are written back
  trap '' INT TERM USR1 USR2
  echo "baton: $1"
  kill -TERM -1
  sleep 0.2
  sync
  umount -a -r 2>/dev/null
  $1 -f
}
# The signals of busybox poweroff, halt and reboot, and SIGINT for Ctrl-Alt-Del
trap 'power poweroff' USR1 USR2
trap 'power reboot' INT TERM
echo 0 > /proc/sys/kernel/ctrl-alt-del

for event in /sys/class/input/event*; do # the ACPI power button arrives as an input event of 24 bytes
  case "$(cat $event/device/name 2>/dev/null)" in
    "Power Button") (dd if=/dev/input/\${event##*/} bs=24 count=1 of=/dev/null 2>/dev/null && kill -USR2 1) & ;;
  esac
done

name=$(argument baton.name)
[ -n "$name" ] || name=tiny
hostname "$name"
echo "127.0.0.1 localhost $name" > /etc/hosts

ip link set lo up
static=$(argument ip)
if ! ip link set eth0 up; then
  echo "baton: no network card"
elif [ -n "$static" ]; then # ip=ADDRESS::GATEWAY:NETMASK:NAME:DEVICE:off, as the kernel's nfsroot.rst has it
  address=$(echo "$static" | cut -d: -f1)
  gateway=$(echo "$static" | cut -d: -f3)
  netmask=$(echo "$static" | cut -d: -f4)
  ifconfig eth0 "$address" netmask "$netmask"
  [ -z "$gateway" ] || ip route add default via "$gateway"
else # stays in the background to renew the lease, and gives it back at the end
  udhcpc -b -R -t 8 -T 1 -A 5 -i eth0 -s /lease -x "hostname:$name" > /dev/null 2>&1
fi

echo "hello from $name" > /www/index.html
echo ok > /www/healthz

for disk in /sys/block/[vx]*; do swapon /dev/\${disk##*/} 2>/dev/null; done # refused by all that are no swap space

# What cloud-init would find: a script in it is run, the rest needs a guest with cloud-init.
for disk in /sys/block/[vx]*; do
  mount -t iso9660 -o ro /dev/\${disk##*/} /seed 2>/dev/null || continue
  [ ! -f /seed/user-data ] || break
  umount /seed
done
if [ -f /seed/user-data ]; then
  case "$(head -n 1 /seed/user-data)" in
    "#!"*) sh /seed/user-data ;;
    *) echo "baton: a seed for cloud-init, which tiny has not" ;;
  esac
fi

ulimit -n 4096
lighttpd -f /etc/lighttpd.conf

set -- $(ip -4 -o addr show dev eth0 2>/dev/null)
echo "${readyMark}: $name serves on \${4:-no address yet}"

console=$(cat /sys/class/tty/console/active)
console=\${console##* }
while :; do
  setsid sh -c "exec sh -l < /dev/$console > /dev/$console 2>&1" &
  shell=$!
  while kill -0 $shell 2>/dev/null; do wait $shell; done
  sleep 1
done
`

/** What udhcpc(8) runs for each event of a lease. */
export const leaseScript = `#!/bin/sh
case "$1" in
  deconfig) ifconfig $interface 0.0.0.0 ;;
  bound|renew)
    ifconfig $interface $ip netmask $subnet
    for gateway in $router; do ip route replace default via $gateway dev $interface; break; done
    for server in $dns; do echo "nameserver $server"; done > /etc/resolv.conf
    ;;
esac
`

/** One process with an event loop: busybox httpd forks for each request and lets nine connections wait. */
export const webServerConfig = `server.document-root = "/www"
server.port = 80
server.listen-backlog = 1024
server.max-connections = 1024
server.max-fds = 2100
server.upload-dirs = ( "/tmp" )
server.errorlog = "/tmp/lighttpd.log"
server.compat-module-load = "disable"
server.modules = ( "mod_indexfile", "mod_staticfile" )
index-file.names = ( "index.html" )
mimetype.assign = ( "" => "text/plain" )
`
