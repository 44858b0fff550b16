/** What runs in the lab's machine before and as its Dom0. */

/** The initial ramdisk: just enough to find the disk. */
export const ramdiskInit = `#!/bin/sh
export PATH=/bin
mount -t proc proc /proc
mount -t devtmpfs dev /dev
for module in $(cat /lib/modules/order); do insmod /lib/modules/$module.ko; done
mount -t ext4 -o rw,noatime /dev/vda /machine || echo "no disk"
umount /proc
mount --move /dev /machine/dev
exec switch_root /machine /sbin/lab-init
`

/** The first process: no systemd, which would take a minute of TCG; the toolstack is started by Debian's own script. */
export const dom0Init = `#!/bin/sh
export PATH=/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin HOME=/root LC_ALL=C
mount -t proc proc /proc
mount -t sysfs sys /sys
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs run /run
mount -t tmpfs shm /dev/shm
# The block script of Xen takes its lock through these.
ln -sf /proc/self/fd /dev/fd
ln -sf /proc/self/fd/0 /dev/stdin
ln -sf /proc/self/fd/1 /dev/stdout
ln -sf /proc/self/fd/2 /dev/stderr
mkdir -p /run/lock /run/baton
for module in xen-evtchn xen-gntdev xen-gntalloc xen-privcmd xenfs xen-blkback xen-netback bridge loop dm-mod dm-snapshot dm-thin-pool virtio_net; do
  modprobe $module || echo "no module $module"
done
mount -t xenfs xenfs /proc/xen
hostname dom0
ip link set lo up
ip link add name xenbr0 address 02:00:00:00:00:01 type bridge
ip link set eth0 master xenbr0 up
ip address add 10.0.2.15/24 dev xenbr0
ip link set xenbr0 up
ip route add default via 10.0.2.2
/etc/init.d/xen start
# Orphans are its children: it takes them away.
perl /agent.pl 7 &
while :; do wait; sleep 1; done
`

/** Files of Dom0: consoles are logged, as `baton host prepare` sets it. */
export const dom0Files: Readonly<Record<string, string>> = {
  'etc/default/xen': 'XENCONSOLED_ARGS="--log=guest"\n',
  'etc/hostname': 'dom0\n',
  'etc/hosts': '127.0.0.1 localhost dom0\n',
  'etc/resolv.conf': 'nameserver 10.0.2.3\n',
  // There is no udev: LVM makes its device nodes itself, and waits for nobody.
  'etc/lvm/lvmlocal.conf':
    'activation { udev_sync = 0 udev_rules = 0 }\ndevices { obtain_device_list_from_udev = 0 }\n',
}
