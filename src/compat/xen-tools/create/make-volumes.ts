/** The volumes of a new guest: made, formatted, and taken away again when the rest fails. */
import { InfraError } from '../../../errors.ts'
import { ensureVolume, removeVolume } from '../../../guests/storage/lvm.ts'
import type { CallOptions, Host } from '../../../hosts/host.ts'
import { must } from '../tree.ts'
import type { CreateSettings } from './settings.ts'
import { guestDirectory, type PlacedVolume } from './volumes.ts'

const mebibyte = 1024 ** 2

type Act = (options: CallOptions) => Promise<void>

/** How something that was made is undone; `done`: what is left to do when all has succeeded. */
export type Undo = { readonly what: string; readonly undo: Act; readonly done?: Act }

/** What stands in the way of new volumes; undefined: nothing. Changes nothing. */
export async function volumeInTheWay(
  host: Host,
  { storage }: CreateSettings,
  volumes: readonly PlacedVolume[],
  options: CallOptions,
): Promise<string | undefined> {
  if (storage.kind === 'dir' && (await host.list(storage.directory, options)) === undefined)
    throw new InfraError('not-found', `ERROR: 'dir' argument must be an existing directory: ${storage.directory}`, {
      subject: storage.directory,
    })
  for (const { path } of volumes) {
    // A link is as good as a file: what it points to is not to be written to.
    const exists = (await host.run(['test', '-e', path], options)).code === 0
    if (storage.kind !== 'devices') {
      if (exists) return path
      continue
    }
    if (!exists) throw new InfraError('not-found', `there is no device ${path}`, { subject: path })
    // blkid(8): 2 where it finds nothing at all.
    if ((await host.run(['blkid', '-p', path], options)).code !== 2) return path
  }
  return undefined
}

/** Makes them all, and formats them but for the one that is cloned; each is on `undos` as soon as there is something of it. */
export async function makeVolumes(
  host: Host,
  settings: CreateSettings,
  volumes: readonly PlacedVolume[],
  cloned: PlacedVolume | undefined,
  undos: Undo[],
  say: (text: string) => void,
  options: CallOptions,
): Promise<void> {
  const { storage, hostname } = settings
  if (storage.kind === 'dir') {
    const directory = guestDirectory(storage.directory, hostname)
    if ((await host.list(directory, options)) === undefined)
      undos.push({ what: directory, undo: (late) => host.remove(directory, late) })
    await host.makeDirectory(directory, { ...options, mode: 0o755 })
  }
  for (const volume of volumes) {
    await makeOne(host, settings, volume, undos, say, options)
    if (volume !== cloned) await format(host, settings, volume, say, options)
  }
}

async function makeOne(
  host: Host,
  { storage, hostname, isSparse }: CreateSettings,
  { name, path, mebibytes }: PlacedVolume,
  undos: Undo[],
  say: (text: string) => void,
  options: CallOptions,
): Promise<void> {
  if (storage.kind === 'devices') return
  if (storage.kind === 'lvm') {
    say(`\nCreating logical volume: ${path}\n`)
    const volume = { group: storage.group, name: `${hostname}-${name}` }
    const pool = storage.thinPool === undefined ? {} : { pool: storage.thinPool }
    undos.push({ what: path, undo: (late) => removeVolume(host, volume, late) })
    await ensureVolume(host, volume, { sizeBytes: mebibytes * mebibyte }, { ...options, ...pool })
  } else {
    say(`\nCreating partition image: ${path}\n`)
    undos.push(await asideFirst(host, path, options))
    const fill = isSparse ? 'truncate -s "$2" -- "$1"' : 'fallocate -l "$2" -- "$1"'
    const script = `umask 077; : > "$1"; ${fill}`
    await must(host, `make ${path}`, ['sh', '-euc', script, 'sh', path, `${mebibytes}M`], options)
  }
  say('Done\n')
}

/** With --force the guest that is replaced stands aside until the new one is whole. */
async function asideFirst(host: Host, path: string, options: CallOptions): Promise<Undo> {
  if ((await host.run(['test', '-e', path], options)).code !== 0)
    return { what: path, undo: (late) => host.remove(path, late) }
  const aside = `${path}.replaced`
  await host.rename(path, aside, options)
  return { what: path, undo: (late) => host.rename(aside, path, late), done: (late) => host.remove(aside, late) }
}

/** Forced, because it was looked at before: nothing stands there that may not go. */
const makers: Readonly<Record<string, readonly string[]>> = {
  swap: ['mkswap'],
  ext2: ['mkfs.ext2', '-q', '-F'],
  ext3: ['mkfs.ext3', '-q', '-F'],
  ext4: ['mkfs.ext4', '-q', '-F'],
  xfs: ['mkfs.xfs', '-q', '-f'],
  btrfs: ['mkfs.btrfs', '-q', '-f'],
}

async function format(
  host: Host,
  { mustFormat }: CreateSettings,
  { path, fs }: PlacedVolume,
  say: (text: string) => void,
  options: CallOptions,
): Promise<void> {
  if (!mustFormat) return
  say(fs === 'swap' ? `\nCreating swap on ${path}\n` : `\nCreating ${fs} filesystem on ${path}\n`)
  await must(host, `make ${fs} on ${path}`, [...(makers[fs] ?? []), path], options)
  say('Done\n')
}
