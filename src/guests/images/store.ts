/** The image cache of a host: each image built once, under the digest of what it is made from. */
import { basename } from 'node:path'
import { InfraError } from '../../errors.ts'
import type { Host } from '../../hosts/host.ts'
import { buildDebootstrap } from './debootstrap.ts'
import { imageDigest } from './digest.ts'
import { buildDisk, buildKernel } from './files.ts'
import type { BuiltImage, ImageSpec } from './image.ts'
import type { Recipe } from './recipe.ts'
import { buildTiny } from './tiny.ts'

export type CallOptions = { readonly signal: AbortSignal }

export type StoredImage = {
  readonly digest: string
  /** The name under which it was built first. */
  readonly name: string
  readonly kind: ImageSpec['kind']
  readonly sizeBytes: number
  readonly builtAt: string
  /** Guests of this host that boot from it or have their disk over it. */
  readonly usedBy: readonly string[]
}

export interface ImageStore {
  /** What the spec would be, without building it. @throws InfraError `not-found` for a file that is not there. */
  digest(spec: ImageSpec, options: CallOptions): Promise<string>
  /** The built image, if it is in the cache. */
  find(digest: string, options: CallOptions): Promise<BuiltImage | undefined>
  /**
   * Builds it unless it is there. Two builds at once make it once; one that was killed in the middle leaves nothing
   * that counts.
   */
  build(
    name: string,
    spec: ImageSpec,
    options: CallOptions & { readonly onProgress?: (text: string) => void },
  ): Promise<BuiltImage>
  list(options: CallOptions): Promise<readonly StoredImage[]>
  /** By digest (or its beginning) or name. @throws InfraError `not-found`, or `busy` while guests stand on it. */
  delete(reference: string, options: CallOptions): Promise<readonly StoredImage[]>
}

/** image.json beside the image's files; paths are names in the same directory, so the cache can move. */
type ImageRecord = {
  readonly name: string
  readonly kind: ImageSpec['kind']
  readonly builtAt: string
  readonly image: Omit<BuiltImage, 'digest'>
}

export function imageStore(host: Host, now: () => Date = () => new Date()): ImageStore {
  const root = `${host.directories.cache}/images`
  const find = async (digest: string, { signal }: CallOptions): Promise<BuiltImage | undefined> => {
    const record = await readRecord(host, `${root}/${digest}`, signal)
    return record === undefined ? undefined : { digest, ...located(record.image, `${root}/${digest}`) }
  }
  const list = async ({ signal }: CallOptions): Promise<StoredImage[]> => {
    const names = ((await host.list(root, { signal })) ?? []).filter((name) => /^[0-9a-f]{32}$/.test(name))
    const users = await imageUsers(host, signal)
    const stored = await Promise.all(
      names.map(async (digest): Promise<StoredImage[]> => {
        const record = await readRecord(host, `${root}/${digest}`, signal)
        if (record === undefined) return []
        const size = await host.run(['du', '-sk', `${root}/${digest}`], { signal })
        const { name, kind, builtAt } = record
        return [
          {
            digest,
            name,
            kind,
            builtAt,
            sizeBytes: Number.parseInt(size.stdout, 10) * 1024,
            usedBy: users.get(digest) ?? [],
          },
        ]
      }),
    )
    return stored.flat().sort((a, b) => a.name.localeCompare(b.name) || a.digest.localeCompare(b.digest))
  }
  return {
    digest: (spec, { signal }) => imageDigest(host, spec, signal),
    find,
    list,
    async build(name, spec, { signal, onProgress = () => {} }) {
      const digest = await imageDigest(host, spec, signal)
      const hit = await find(digest, { signal })
      if (hit !== undefined) return hit
      await using _lock = await host.lock(`${root}/.${digest}.lock`, { signal })
      const builtMeanwhile = await find(digest, { signal })
      if (builtMeanwhile !== undefined) return builtMeanwhile
      const partial = `${root}/.${digest}.partial`
      try {
        await host.remove(partial, { signal })
        await host.makeDirectory(`${partial}/image`, { signal })
        await host.makeDirectory(`${partial}/scratch`, { signal })
        const image = await make(spec, {
          host,
          directory: `${partial}/image`,
          scratch: `${partial}/scratch`,
          signal,
          progress: onProgress,
        })
        const record: ImageRecord = { name, kind: spec.kind, builtAt: now().toISOString(), image: unlocated(image) }
        await host.writeFile(`${partial}/image/image.json`, JSON.stringify(record), { signal })
        await host.rename(`${partial}/image`, `${root}/${digest}`, { signal })
      } finally {
        // The caller's signal may be what ended the build: the sweep has a deadline of its own.
        const sweep = { signal: AbortSignal.timeout(30_000) }
        await host.remove(partial, sweep)
        await host.remove(`${root}/.${digest}.lock`, sweep)
      }
      return { digest, ...located((await mustRecord(host, `${root}/${digest}`, signal)).image, `${root}/${digest}`) }
    },
    async delete(reference, { signal }) {
      const matches = (await list({ signal })).filter(
        ({ name, digest }) => name === reference || (reference.length >= 4 && digest.startsWith(reference)),
      )
      if (matches.length === 0)
        throw new InfraError('not-found', `no image ${reference} in the cache`, {
          subject: reference,
          hint: 'see baton image list',
        })
      const used = matches.filter(({ usedBy }) => usedBy.length > 0)
      if (used.length > 0)
        throw new InfraError(
          'busy',
          `image ${reference} is used by ${used.flatMap(({ usedBy }) => usedBy).join(', ')}`,
          {
            subject: reference,
            hint: 'take these guests away first',
          },
        )
      for (const { digest } of matches) await host.remove(`${root}/${digest}`, { signal })
      return matches
    },
  }
}

function make(spec: ImageSpec, recipe: Recipe): Promise<Omit<BuiltImage, 'digest'>> {
  switch (spec.kind) {
    case 'tiny':
      return buildTiny(recipe)
    case 'kernel':
      return buildKernel(spec, recipe)
    case 'disk':
      return buildDisk(spec, recipe)
    case 'debootstrap':
      return buildDebootstrap(spec, recipe)
  }
}

/** Which guests' definitions name which image: a disk overlay is worth nothing without its base. */
async function imageUsers(host: Host, signal: AbortSignal): Promise<ReadonlyMap<string, readonly string[]>> {
  const users = new Map<string, string[]>()
  const guests = `${host.directories.state}/guests`
  for (const guest of (await host.list(guests, { signal })) ?? []) {
    const definition = await host.readFile(`${guests}/${guest}/definition.json`, { signal })
    if (definition === undefined) continue
    const digest = /"image":\s*"([0-9a-f]{32})"/.exec(new TextDecoder().decode(definition))?.[1]
    if (digest !== undefined) users.set(digest, [...(users.get(digest) ?? []), guest])
  }
  return users
}

async function readRecord(host: Host, directory: string, signal: AbortSignal): Promise<ImageRecord | undefined> {
  const content = await host.readFile(`${directory}/image.json`, { signal })
  return content === undefined ? undefined : (JSON.parse(new TextDecoder().decode(content)) as ImageRecord)
}

async function mustRecord(host: Host, directory: string, signal: AbortSignal): Promise<ImageRecord> {
  const record = await readRecord(host, directory, signal)
  if (record === undefined)
    throw new InfraError('not-found', `the image in ${directory} was deleted while it was built`, {
      subject: directory,
    })
  return record
}

function mapPaths(image: Omit<BuiltImage, 'digest'>, change: (path: string) => string): Omit<BuiltImage, 'digest'> {
  const { kernel, initrd, disk, ...rest } = image
  return {
    ...rest,
    ...(kernel === undefined ? {} : { kernel: change(kernel) }),
    ...(initrd === undefined ? {} : { initrd: change(initrd) }),
    ...(disk === undefined ? {} : { disk: { ...disk, path: change(disk.path) } }),
  }
}

const unlocated = (image: Omit<BuiltImage, 'digest'>): Omit<BuiltImage, 'digest'> =>
  mapPaths(image, (path) => basename(path))
const located = (image: Omit<BuiltImage, 'digest'>, directory: string): Omit<BuiltImage, 'digest'> =>
  mapPaths(image, (name) => `${directory}/${name}`)
