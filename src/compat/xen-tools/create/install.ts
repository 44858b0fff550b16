/** A system into a new guest's volumes: from a base that is made once per kind, from a tree, or from an archive. */
import { InfraError } from '../../../errors.ts'
import { imageStore } from '../../../guests/images/store.ts'
import type { CallOptions, Host } from '../../../hosts/host.ts'
import { inTree, type Mounted, must } from '../tree.ts'
import { baseSpec } from './distributions.ts'
import type { CreateSettings, Installation } from './settings.ts'

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

const scripts: Readonly<Record<Filling['kind'], string>> = {
  base: `
base=$tree.base
mkdir -p "$base"
mount -t ext4 -o loop,ro,noload -- "$1" "$base"
cp -a -- "$base/." "$tree/"
umount "$base"
# Who has the console is not let in without the password, as it is with Baton's own guests.
rm -rf "$tree/etc/systemd/system/serial-getty@.service.d/baton.conf"
`,
  copy: 'cp -a -- "$1/." "$tree/"',
  tar: 'tar -C "$tree" --numeric-owner -xpf "$1"',
}

export async function fill(
  host: Host,
  filling: Filling,
  mounted: readonly Mounted[],
  options: CallOptions,
): Promise<void> {
  await inTree(host, `install from ${filling.path}`, mounted, scripts[filling.kind], [filling.path], options)
}
