/** What each option of xen-create-image takes, in the original's words. Pure. */
import { isIPv4 } from 'node:net'

type Rule = { readonly isFine: (value: string) => boolean; readonly message: string }

const byPattern = (pattern: RegExp, message: string): Rule => ({ isFine: (value) => pattern.test(value), message })

const size = byPattern(/^[0-9]+(\.[0-9]+)?[GM]B?$/i, 'takes a suffixed (mb, MB, G, etc.) integer.')
const address: Rule = { isFine: isIPv4, message: 'must be valid IPv4.' }
const number = byPattern(/^[1-9][0-9]*$/, 'must be a number from 1 on.')
const zeroOne = byPattern(/^[01]$/, "must be '0' or '1'.")
/** They become a part of file names, of a volume's name, or of the .cfg: no quote, no blank, no way upwards. */
const word = byPattern(/^[A-Za-z0-9][A-Za-z0-9_.+-]*$/, 'must be one word of letters, digits, and - _ . +.')
const path = byPattern(/^\/[^'"\n,]*$/, 'must be an absolute path without quotes and commas.')
const label = '[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?'

const rules: Readonly<Record<string, Rule>> = {
  hostname: byPattern(new RegExp(`^(?=.{1,63}$)${label}(?:\\.${label})*$`), 'must be a valid hostname.'),
  dist: word,
  size,
  swap: size,
  memory: size,
  maxmem: size,
  vcpus: number,
  image: byPattern(/^(sparse|full)$/, "must be 'sparse' or 'full'."),
  fs: byPattern(/^(ext[234]|xfs|btrfs)$/, 'must be a supported filesystem (ext2, ext3, ext4, xfs or btrfs).'),
  dir: path,
  lvm: word,
  lvm_thin: word,
  'image-dev': path,
  'swap-dev': path,
  output: path,
  extension: byPattern(/^[a-z0-9_.-]*$/, 'must be a valid filename.'),
  roledir: path,
  'install-source': path,
  kernel: path,
  initrd: path,
  modules: path,
  serial_device: byPattern(
    /^(?:\/dev\/)?(?:tty|[xh]vc)[0-9]+$/,
    'must be a serial device (tty[0-9]+, hvc[0-9]+ or xvc[0-9]+).',
  ),
  disk_device: byPattern(/^(?:\/dev\/)?(?:xvd|sd)[a-z]+$/, 'must be a disk device (xvd[a-z]+, sd[a-z]+).'),
  netmask: address,
  gateway: address,
  broadcast: address,
  p2p: address,
  nameserver: { isFine: (value) => value.split(/[\s,]+/).every(isIPv4), message: 'must be valid IPv4.' },
  ip: {
    isFine: (value) => value.split(/[\s,]+/).every(isIPv4),
    message: "must be valid IPv4; Baton keeps no list of free ones for 'auto'.",
  },
  mac: byPattern(/^(?:[0-9a-f]{2}:){5}[0-9a-f]{2}$/i, 'must be a valid ethernet mac address.'),
  bridge: word,
  vifname: byPattern(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$/, 'must be a name of 1 to 15 letters and digits.'),
  vlan: byPattern(/^([1-9][0-9]{0,2}|10[01][0-9]|102[0-4])$/, 'must be a number between 1 and 1024.'),
  cache: byPattern(/^(yes|no)$/i, "must be 'yes' or 'no'."),
  install: zeroOne,
  hooks: zeroOne,
  genpass: zeroOne,
  genpass_len: byPattern(/^([89]|[1-9][0-9]|1[0-9][0-9])$/, 'must be a number from 8 to 199.'),
  hash_method: byPattern(/^(md5|sha256|sha512)$/i, 'must be md5, sha256 or sha512.'),
  mirror: byPattern(/^(https?|file|ftp):\/\/[^\s'"]+$/, 'must be an URI including the protocol'),
  admins: byPattern(/^[A-Za-z0-9_., -]+$/, 'takes names of users.'),
}

/** The complaint about a value, if there is one. */
export function check(name: string, value: string): string[] {
  const rule = rules[name]
  return rule === undefined || rule.isFine(value) ? [] : [`ERROR: '${name}' argument ${rule.message}`]
}

export const isSize = size.isFine

/** `1.5G`, `256M`, `2000Mb` in MiB, rounded up. */
export function mebibytesOf(text: string): number {
  const [, number = '0', unit = 'M'] = /^([0-9.]+)([GM])/i.exec(text) ?? []
  return Math.ceil(Number(number) * (unit.toUpperCase() === 'G' ? 1024 : 1))
}
