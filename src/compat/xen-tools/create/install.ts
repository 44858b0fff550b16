/** A system into a new guest's volumes: from a base that is made once per kind, from a tree, or from an archive. */
import { InfraError } from '../../../errors.ts'
import { imageStore } from '../../../guests/images/store.ts'
import type { CallOptions, Host } from '../../../hosts/host.ts'
import { inTree, type Mounted, must } from '../tree.ts'
import { baseSpec } from './distributions.ts'
import type { CreateSettings, Installation } from './settings.ts'
import type { PlacedVolume } from './volumes.ts'

/** What the volumes are filled from; a base is built when there is none yet. undefined: nothing is installed. */
export type Filling = { readonly kind: 'base' | 'copy' | 'tar'; readonly path: string }

export async function prepareFilling(
  host: Host,
  installation: Installation,
  dist: string,
  say: (text: string) => void,
  options: CallOptions,
): Promise<Filling | undefined> {
  if (installation.method === 'none') return undefined
  if (installation.method !== 'debootstrap') {
    const { method, path } = installation
    const test = method === 'copy' ? '-d' : '-f'
    if ((await host.run(['test', test, path], options)).code !== 0)
      throw new InfraError('not-found', `--install-source: ${path} is no ${method === 'copy' ? 'directory' : 'file'}`, {
        subject: path,
      })
    return { kind: method, path }
  }
  const spec = baseSpec(dist, installation.source)
  const [store, name] = [imageStore(host), `xen-tools-${dist}`]
  const digest = await store.digest(spec, options)
  if (installation.isFresh && (await store.find(digest, options)) !== undefined) await store.delete(digest, options)
  const onProgress = (text: string): void => say(`  ${text}\n`)
  const { disk } = await store.build(name, spec, { ...options, onProgress })
  const built = (await store.list(options)).find((image) => image.digest === digest)
  say(`Base: ${name} of ${built?.builtAt.slice(0, 10)} (--cache=no makes it anew)\n`)
  if (disk === undefined) throw new InfraError('failed', `the base ${name} has no disk`, { subject: name })
  return { kind: 'base', path: disk.path }
}

/** A base that does not fit is refused before anything is made. @throws InfraError `no-space` */
export async function mustFit(
  host: Host,
  filling: Filling | undefined,
  { volumes }: CreateSettings,
  options: CallOptions,
): Promise<void> {
  if (filling?.kind !== 'base') return
  const used = Number((await must(host, 'measure the base', ['du', '-sm', filling.path], options)).split('\t')[0])
  const room = volumes.reduce((sum, { fs, mebibytes }) => sum + (fs === 'swap' ? 0 : mebibytes), 0)
  // What a file system keeps for itself and for root.
  const needed = Math.ceil(used * 1.15) + 64
  if (room >= needed) return
  throw new InfraError('no-space', `ERROR: 'size' argument: ${room}M are less than the system takes, ${needed}M`, {
    subject: filling.path,
    hint: `give at least --size=${needed}M`,
  })
}

/** The volume that becomes a copy of the base as it is, and is not formatted: far faster than file by file. */
export function clonedVolume(
  filling: Filling | undefined,
  { mustFormat }: CreateSettings,
  volumes: readonly PlacedVolume[],
): PlacedVolume | undefined {
  const [root, ...others] = volumes.filter(({ fs }) => fs !== 'swap')
  return filling?.kind === 'base' && mustFormat && root?.fs === 'ext4' && others.length === 0 ? root : undefined
}

/**
 * A file is new and empty, so that its holes may stay; on a device something stood before, which must not show through.
 * Then it is made as large as its volume, with a mark of its own.
 */
const clone = `
if [ -b "$2" ]; then how=notrunc; else how=notrunc,sparse; fi
dd if="$1" of="$2" bs=4M conv=$how status=none
resize2fs "$2"
tune2fs -U random -L '' "$2"
`

const scripts: Readonly<Record<Filling['kind'], string>> = {
  base: `
base=$tree.base
mkdir -p "$base"
mount -t ext4 -o loop,ro,noload -- "$1" "$base"
cp -a -- "$base/." "$tree/"
umount "$base"
`,
  copy: 'cp -a -- "$1/." "$tree/"',
  tar: 'tar -C "$tree" --numeric-owner -xpf "$1"',
}

/** Who has the console is not let in without the password, as it is with Baton's own guests. */
const askAtConsole = 'rm -rf "$tree/etc/systemd/system/serial-getty@.service.d/baton.conf"'

export async function fill(
  host: Host,
  filling: Filling,
  cloned: PlacedVolume | undefined,
  mounted: readonly Mounted[],
  options: CallOptions,
): Promise<void> {
  const what = `install from ${filling.path}`
  if (cloned !== undefined) await must(host, what, ['sh', '-euc', clone, 'sh', filling.path, cloned.path], options)
  else await inTree(host, what, mounted, scripts[filling.kind], [filling.path], options)
  if (filling.kind === 'base') await inTree(host, 'have a password asked for', mounted, askAtConsole, [], options)
}
