/** Disks that hold something, each in its way: none of them may become a volume group. */

/** `make` leaves something on the empty disk $1, `take` nothing again. */
type Holding = { readonly what: string; readonly make: string; readonly take: string; readonly refusal: RegExp }

const wipe = 'wipefs -qa "$1"; dd if=/dev/zero of="$1" bs=1M count=2 status=none; udevadm settle'

export const holdings: readonly Holding[] = [
  { what: 'a file system', make: 'mke2fs -q "$1"', take: wipe, refusal: /not empty: .*ext2/ },
  {
    what: 'a mounted file system',
    make: 'mke2fs -q "$1" && mount "$1" /mnt',
    take: `umount /mnt; ${wipe}`,
    refusal: /a file system mounted on \/mnt/,
  },
  { what: 'swap in use', make: 'mkswap "$1" && swapon "$1"', take: `swapoff "$1"; ${wipe}`, refusal: /swap in use/ },
  {
    what: 'a partition',
    // One of Linux, 2 MiB from 1 MiB on: nothing but dd is there to write it.
    make: String.raw`part='\0\0\0\0\203\0\0\0\0\010\0\0\0\020\0\0'
      printf "$part" | dd of="$1" bs=1 seek=446 conv=notrunc status=none
      printf '\125\252' | dd of="$1" bs=1 seek=510 conv=notrunc status=none
      blockdev --rereadpt "$1"; udevadm settle`,
    take: `${wipe}; blockdev --rereadpt "$1"`,
    refusal: /vdb1 on it/,
  },
  {
    what: 'a part of another volume group',
    make: 'pvcreate -q "$1" && vgcreate -q other "$1"',
    take: `vgremove -qf other; pvremove -q "$1"; ${wipe}`,
    refusal: /LVM2_member/,
  },
  {
    what: 'bytes that nothing knows',
    make: 'echo secret | dd of="$1" bs=1 seek=5000 conv=notrunc status=none',
    take: wipe,
    refusal: /data that is not zero/,
  },
]
