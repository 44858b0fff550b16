/** What xen-create-image is to make: its command line and the tools' own file as one value, or all that is wrong with them. Pure. */
import { createHash } from 'node:crypto'
import { distributionOf, knownSuites, type Source } from './distributions.ts'
import { otherSpellings, refused, storageOptions } from './options.ts'
import { check, mebibytesOf } from './values.ts'
import { type Storage, type VolumeWish, wishedVolumes } from './volumes.ts'

export type CreateSettings = {
  readonly hostname: string
  readonly dist: string
  readonly storage: Storage
  /** In the order of their devices: the first is xvda1. */
  readonly volumes: readonly VolumeWish[]
  readonly isSparse: boolean
  readonly mustFormat: boolean
  readonly vcpus: number
  readonly memoryMebibytes: number
  readonly maxMemoryMebibytes: number | undefined
  readonly network: CreateNetwork
  readonly nameserver: string | undefined
  readonly installation: Installation
  readonly boot: CreateBoot
  readonly isHooked: boolean
  readonly roles: readonly string[]
  readonly finalRoles: readonly string[]
  readonly roleArguments: readonly string[]
  readonly roleDirectory: string
  readonly password: string | undefined
  /** Of the one that is made when none is given; 0: none is made. */
  readonly generatedPasswordLength: number
  readonly hashMethod: 'MD5' | 'SHA256' | 'SHA512'
  readonly configFile: string
  readonly admins: string | undefined
  readonly mayOverwrite: boolean
  readonly keepsRemains: boolean
  readonly startsAfterwards: boolean
  readonly copiesHosts: boolean
  readonly entersHosts: boolean
  readonly isVerbose: boolean
  /** All options as roles and hooks find them in their environment. */
  readonly options: ReadonlyMap<string, string>
}

export type CreateNetwork = {
  /** None: DHCP. */
  readonly addresses: readonly string[]
  readonly netmask: string | undefined
  readonly gateway: string | undefined
  readonly broadcast: string | undefined
  readonly pointToPoint: string | undefined
  readonly mac: string
  readonly bridge: string | undefined
  readonly vifname: string | undefined
}

export type Installation =
  | { readonly method: 'debootstrap'; readonly source: Source; readonly isFresh: boolean }
  | { readonly method: 'copy' | 'tar'; readonly path: string }
  | { readonly method: 'none' }

export type CreateBoot =
  | { readonly kind: 'pygrub' }
  | {
      readonly kind: 'kernel'
      readonly kernel: string
      readonly initrd: string | undefined
      readonly modules: string | undefined
    }

/** Where a value comes from counts only for storage; `given` is the command line. */
export type Sources = {
  readonly file: ReadonlyMap<string, string>
  readonly given: ReadonlyMap<string, readonly string[]>
  /** What --partitions names. */
  readonly partitions: string | undefined
  /** The suite of the host itself, and its architecture as Debian calls it. */
  readonly ownSuite: string | undefined
  readonly ownArchitecture: string
}

/** The defaults of the program itself; the file that the package ships says some otherwise. */
const defaults: Readonly<Record<string, string>> = {
  memory: '96Mb',
  size: '2000Mb',
  swap: '128M',
  fs: 'ext3',
  image: 'sparse',
  vcpus: '1',
  roledir: '/etc/xen-tools/role.d',
  output: '/etc/xen',
  extension: '.cfg',
  disk_device: 'xvda',
  serial_device: 'hvc0',
  install: '1',
  hooks: '1',
  genpass: '1',
  genpass_len: '23',
  hash_method: 'sha512',
  'install-method': 'debootstrap',
}

/** All options by name, as the environment of a role has them; several addresses are one text. */
function allOptions({ file, given }: Sources): ReadonlyMap<string, string> {
  const all = new Map(Object.entries(defaults))
  for (const [key, value] of file) all.set(otherSpellings[key] ?? key, value)
  if (storageOptions.some((name) => given.has(name))) for (const name of storageOptions) all.delete(name)
  if (given.has('ip') && !given.has('dhcp')) all.delete('dhcp')
  if (given.has('dhcp') && !given.has('ip')) all.delete('ip')
  for (const [key, values] of given) all.set(otherSpellings[key] ?? key, values.join(' '))
  return all
}

export function readSettings(sources: Sources): CreateSettings | { readonly complaints: readonly string[] } {
  const options = allOptions(sources)
  const text = (name: string): string | undefined => options.get(name)
  const isOn = (name: string): boolean => /^(yes|1|true)$/i.test(text(name) ?? '')
  const has = (name: string): boolean => (text(name) ?? '') !== '' && !/^(no|0|false)$/i.test(text(name) ?? '')
  const dist = text('dist') ?? sources.ownSuite ?? 'stable'
  const [storages, addresses] = [storageOptions.filter(has), addressesOf(text('ip'))]
  const method = text('install-method') ?? ''
  const complaints: string[] = []
  const unless = (isFine: boolean, complaint: string): void => void (isFine || complaints.push(complaint))
  unless(has('hostname'), "The '--hostname' argument is mandatory.")
  for (const [name, value] of options) complaints.push(...check(name, value))
  for (const [name, instead] of Object.entries(refused)) unless(!has(name), `--${name} is not for Baton: ${instead}`)
  unless(has('dhcp') || addresses.length > 0, 'Please choose one of: --dhcp / --ip xx.xx.xx.xx')
  unless(!has('dhcp') || addresses.length === 0, 'Please choose either DHCP or static usage, not both!')
  unless(storages.length === 1, 'Please choose one of: --dir / --lvm / --image-dev')
  unless(!has('vlan') || has('bridge'), '--vlan is a part of a bridge of Open vSwitch: give --bridge, too')
  unless(has('hostname') || !has('lvm_thin'), '--lvm_thin needs --lvm')
  const isBootstrapped = method === 'debootstrap' && isOn('install')
  const asks = `make a tree by another tool, and use --install-method=copy or tar with --install-source`
  unless(['debootstrap', 'copy', 'tar'].includes(method), `--install-method=${method} is not for Baton: ${asks}`)
  unless(
    !isBootstrapped || distributionOf(dist) !== undefined,
    `ERROR: 'dist' argument takes a distribution name: ${knownSuites.join(' ')}; for others ${asks}`,
  )
  const needsSource = isOn('install') && ['copy', 'tar'].includes(method)
  unless(!needsSource || has('install-source'), `--install-method=${method} needs --install-source`)
  const kernel = text('kernel') ?? ''
  // As Debian's kernels have their modules. The original forces pygrub upon new suites, also against --nopygrub.
  const byPygrub = text('pygrub') === undefined ? isBootstrapped || kernel === '' : isOn('pygrub')
  unless(byPygrub || kernel !== '', '--nopygrub needs --kernel, and mostly --initrd')
  const { volumes, faults } = wishedVolumes(text, has('noswap'), sources.partitions)
  complaints.push(...faults)
  const rootFs = volumes.find(({ mountpoint }) => mountpoint === '/')?.fs
  unless(!byPygrub || rootFs === undefined || rootFs.startsWith('ext'), `pygrub cannot read ${rootFs}: use --nopygrub`)
  unless(
    !byPygrub || !volumes.some(({ mountpoint }) => mountpoint === '/boot'),
    'pygrub looks into /, where a /boot of its own is not: leave it out, or use --nopygrub',
  )
  if (complaints.length > 0) return { complaints }
  const [hostname, memory] = [text('hostname') ?? '', mebibytesOf(text('memory') ?? '')]
  return {
    hostname,
    dist,
    storage: storageOf(storages[0] ?? 'dir', text),
    volumes,
    isSparse: text('image') !== 'full',
    mustFormat: !has('dontformat'),
    vcpus: Number(text('vcpus')),
    memoryMebibytes: memory,
    maxMemoryMebibytes: has('maxmem') ? mebibytesOf(text('maxmem') ?? '') : undefined,
    network: {
      addresses,
      netmask: text('netmask'),
      gateway: text('gateway'),
      broadcast: text('broadcast'),
      pointToPoint: text('p2p'),
      mac: text('mac')?.toUpperCase() ?? macFor(hostname, addresses, has('dhcp'), dist, has('randommac')),
      bridge: has('bridge') ? `${text('bridge')}${has('vlan') ? `.${text('vlan')}` : ''}` : undefined,
      vifname: text('vifname'),
    },
    nameserver: text('nameserver'),
    installation: !isOn('install')
      ? { method: 'none' }
      : method === 'copy' || method === 'tar'
        ? { method, path: text('install-source') ?? '' }
        : { method: 'debootstrap', source: sourceOf(text, dist, sources), isFresh: /^no$/i.test(text('cache') ?? '') },
    boot: byPygrub
      ? { kind: 'pygrub' }
      : { kind: 'kernel', kernel, initrd: text('initrd'), modules: text('modules') ?? modulesOf(kernel) },
    isHooked: isOn('hooks'),
    roles: wordsOf(text('role')),
    finalRoles: wordsOf(text('finalrole')),
    roleArguments: (text('role-args') ?? '').split(/\s+/).filter(Boolean),
    roleDirectory: text('roledir') ?? '',
    password: text('password'),
    generatedPasswordLength: isOn('genpass') ? Number(text('genpass_len')) : 0,
    hashMethod: (text('hash_method') ?? '').toUpperCase() as CreateSettings['hashMethod'],
    configFile: `${text('output')}/${hostname}${text('extension')}`,
    admins: text('admins'),
    mayOverwrite: isOn('force'),
    keepsRemains: isOn('keep'),
    startsAfterwards: isOn('boot'),
    copiesHosts: isOn('copyhosts'),
    entersHosts: !has('nohosts') && addresses.length > 0,
    isVerbose: isOn('verbose') || isOn('debug'),
    options,
  }
}

const wordsOf = (text = ''): string[] => text.split(/[\s,]+/).filter(Boolean)
const addressesOf = (text = ''): string[] => text.split(/[\s,]+/).filter(Boolean)
/** Of a kernel whose name has its version, as Debian's have. */
const modulesOf = (kernel: string): string | undefined => {
  const version = /\/vmlinu[xz]-([^/]+)$/.exec(kernel)?.[1]
  return version === undefined ? undefined : `/lib/modules/${version}`
}

function storageOf(kind: (typeof storageOptions)[number], text: (name: string) => string | undefined): Storage {
  if (kind === 'lvm') return { kind, group: text('lvm') ?? '', thinPool: text('lvm_thin') }
  if (kind === 'image-dev') return { kind: 'devices', disk: text('image-dev') ?? '', swap: text('swap-dev') }
  return { kind: 'dir', directory: text('dir') ?? '' }
}

function sourceOf(text: (name: string) => string | undefined, dist: string, { ownArchitecture }: Sources): Source {
  const [mirror, keyring, architecture] = [text(`mirror_${dist}`) ?? text('mirror'), text('keyring'), text('arch')]
  return {
    ...(mirror === undefined ? {} : { mirror }),
    ...(keyring === undefined ? {} : { keyring }),
    ...(architecture === undefined || architecture === ownArchitecture ? {} : { architecture }),
  }
}

/** The original's: a name gets the same address on the wire again, so that DHCP gives it the same again. */
function macFor(
  hostname: string,
  addresses: readonly string[],
  isDhcp: boolean,
  dist: string,
  isRandom: boolean,
): string {
  const seed = isRandom ? crypto.randomUUID() : `${hostname}${addresses.join(',')}${isDhcp ? '1' : ''}${dist}`
  const digits = createHash('md5').update(seed).digest('hex').slice(0, 6).toUpperCase()
  return ['00:16:3E', ...(digits.match(/../g) ?? [])].join(':')
}
