/** The options of xen-create-image 4.9.2, and which of them Baton refuses, saying what does instead. Pure. */
import type { OptionTable } from '../words.ts'

const switches = 'dhcp copyhosts copy-hosts accounts boot pygrub passwd force keep debug verbose'.split(' ')
const flags = 'noswap nohosts no-hosts randommac ide scsi dontformat no-xen-ok dumpconfig help manual version'.split(
  ' ',
)
const values = [
  ...'hostname dist size swap image memory maxmem vcpus fs partitions'.split(' '),
  ...'dir lvm lvm_thin evms zpool image-dev swap-dev'.split(' '),
  ...'kernel initrd modules serial_device disk_device'.split(' '),
  ...'bridge gateway mac netmask broadcast nameserver vifname p2p vlan'.split(' '),
  ...'install install-method install-source debootstrap-cmd mirror keyring apt_proxy arch cache cachedir'.split(' '),
  ...'hooks role role-args finalrole roledir template output admins config'.split(' '),
  ...'genpass genpass_len genpass-len password hash_method'.split(' '),
]

export const createOptions: OptionTable = {
  ...Object.fromEntries(switches.map((name) => [name, 'switch' as const])),
  ...Object.fromEntries(flags.map((name) => [name, 'flag' as const])),
  ...Object.fromEntries(values.map((name) => [name, 'value' as const])),
  ip: 'values',
  extension: 'optional',
}

/** Places that exclude each other: one on the command line puts away those of the file. */
export const storageOptions = ['dir', 'lvm', 'evms', 'zpool', 'image-dev'] as const

/** The two spellings of one option. */
export const otherSpellings: Readonly<Record<string, string>> = {
  'no-hosts': 'nohosts',
  'copy-hosts': 'copyhosts',
  'genpass-len': 'genpass_len',
}

/** What is said where one of these is set to something. */
export const refused: Readonly<Record<string, string>> = {
  evms: 'EVMS is gone from Linux: use --lvm, --dir or --image-dev',
  zpool: 'make the volume first (zfs create -V), and give it as --image-dev',
  accounts: 'add the users in the guest, or by a script of --role',
  passwd: 'use --password, or run passwd in the guest',
  template: "the templates of xen-tools are Perl: change the .cfg when it is written; Baton's is fixed",
  'debootstrap-cmd': 'Baton installs by mmdebstrap: leave it out, or make a tree and use --install-method=copy',
  apt_proxy: 'set http_proxy in the environment, or write /etc/apt/apt.conf.d/ into /etc/xen-tools/skel',
}
