/** The image cache of a host: each image built once, under the digest of what it is made from. */
import { basename } from 'node:path'
import { Bug, InfraError } from '../../errors.ts'
import type { Host } from '../../hosts/host.ts'
import { bringFiles, type FileSpec } from './brought.ts'
import { type ImageCache, imageCache, removeTree } from './cache.ts'
import { buildDebootstrap } from './debootstrap.ts'
import { imageDigest } from './digest.ts'
import { download } from './download.ts'
import { buildDisc, buildDisk, buildKernel } from './files.ts'
import type { BuiltImage, ImageSpec, InstallSpec } from './image.ts'
import { buildInstalled } from './install.ts'
import type { Made, Recipe } from './recipe.ts'
import { digestNamed, namedFiles, type SettledSpec, settledUrl } from './settled.ts'
import { buildTiny } from './tiny.ts'

export type CallOptions = { readonly signal: AbortSignal }

export type StoredImage = {
  readonly digest: string
  /** The name under which it was asked for last. */
  readonly name: string
  /** All names under which it was asked for, the newest last. */
  readonly names: readonly string[]
  readonly kind: ImageSpec['kind']
  /** What it takes on the disk. */
  readonly sizeBytes: number
  readonly builtAt: string
  /** When it was asked for last, to the hour. */
  readonly usedAt: string
  /** The names that it was given by hand. */
  readonly givenNames: readonly string[]
  /** Guests of this host that boot from it or have their disk over it. */
  readonly usedBy: readonly string[]
}

/** Guests that this store cannot know of by files, such as libvirt's: their names by the digests of their images. */
export type ImageUsers = ReadonlyMap<string, readonly string[]>

export type BuildOptions = CallOptions & {
  /** Gets one short line at a time. */
  readonly onProgress?: (text: string) => void
}

export interface ImageStore {
  /** What the spec would be, without building it. @throws InfraError `not-found` for a file that is not there. */
  digest(spec: ImageSpec, options: CallOptions): Promise<string>
  /** The built image, if it is in the cache. */
  find(digest: string, options: CallOptions): Promise<BuiltImage | undefined>
  /**
   * Builds it unless it is there. Two builds at once make it once; one that was killed in the middle leaves nothing
   * that counts, and the next build takes its leftovers away.
   */
  build(name: string, spec: ImageSpec, options: BuildOptions): Promise<BuiltImage>
  /** Gives it a name, by which specs may ask for it; whoever had that name has it no more. */
  give(name: string, digest: string, options: CallOptions): Promise<void>
  list(options: CallOptions & { readonly users?: ImageUsers }): Promise<readonly StoredImage[]>
  /** By digest (or at least its first four digits) or name. @throws InfraError `not-found`, or `busy` while guests stand on it. */
  delete(reference: string, options: CallOptions & { readonly users?: ImageUsers }): Promise<readonly StoredImage[]>
}

/** `here` has the files that specs name, where that is another machine than the host: they are brought there for a build. */
export function imageStore(host: Host, now: () => Date = () => new Date(), here: Host = host): ImageStore {
  const cache = imageCache(host)
  const list: ImageStore['list'] = async ({ signal, users: others = new Map() }) => {
    const [users, given] = await Promise.all([imageUsers(host, signal), cache.names(signal)])
    const stored: StoredImage[] = []
    for (const digest of await cache.digests(signal)) {
      const image = await describeImage(host, cache, digest, signal)
      if (image === undefined) continue
      const givenNames = Object.keys(given).filter((name) => given[name] === digest)
      const usedBy = [...new Set([...(users.get(digest) ?? []), ...(others.get(digest) ?? [])])]
      stored.push({ ...image, name: givenNames[0] ?? image.name, givenNames, usedBy })
    }
    return stored.sort((a, b) => compare(a.name, b.name) || compare(a.digest, b.digest))
  }
  /** Which image it is, and what it is made from where it is not there yet. */
  const settle = async (spec: ImageSpec, signal: AbortSignal): Promise<{ digest: string; spec?: SettledSpec }> => {
    if (spec.kind === 'stored' && here === host) return { digest: await digestNamed(cache, spec.name, signal) }
    const settled =
      spec.kind === 'stored'
        ? await namedFiles(here, spec.name, signal)
        : spec.kind === 'url'
          ? await settledUrl(spec, signal)
          : spec
    return { digest: await imageDigest(host, settled, signal, here), spec: settled }
  }
  return {
    digest: async (spec, { signal }) => (await settle(spec, signal)).digest,
    find: (digest, { signal }) => cache.find(digest, signal),
    list,
    async build(name, wanted, options) {
      const { signal } = options
      const { digest, spec } = await settle(wanted, signal)
      const image =
        (await cache.find(digest, signal)) ??
        (spec === undefined ? undefined : await buildOnce({ host, here, cache, now }, name, spec, digest, options))
      if (image === undefined)
        throw new InfraError('not-found', `image ${name} is gone from the cache`, {
          subject: name,
          hint: 'baton image list shows what is there',
        })
      await cache.noteUse(digest, name, now(), signal)
      return image
    },
    give: (name, digest, { signal }) => cache.setName(name, digest, signal),
    async delete(reference, options) {
      const { signal } = options
      const given = (await cache.names(signal))[reference]
      const matches = (await list(options)).filter(({ names, digest }) =>
        given === undefined
          ? names.includes(reference) || (reference.length >= 4 && digest.startsWith(reference))
          : digest === given,
      )
      refuseDeletion(reference, matches)
      for (const { digest, givenNames } of matches) {
        await using _lock = await cache.lock(digest, signal)
        if ((await cache.record(digest, signal)) !== undefined) await cache.withdraw(digest, signal)
        for (const name of givenNames) await cache.setName(name, undefined, signal)
      }
      return matches
    },
  }
}

type Workshop = {
  readonly host: Host
  readonly here: Host
  readonly cache: ImageCache
  readonly now: () => Date
}

async function buildOnce(
  { host, here, cache, now }: Workshop,
  name: string,
  spec: SettledSpec,
  digest: string,
  { signal, onProgress = () => {} }: BuildOptions,
): Promise<BuiltImage> {
  await using _lock = await cache.lock(digest, signal, () => onProgress(`waiting for another build of ${name}`))
  const builtMeanwhile = await cache.find(digest, signal)
  if (builtMeanwhile !== undefined) return builtMeanwhile
  await cache.sweep(digest, signal)
  const partial = cache.newPartial(digest)
  try {
    const [directory, scratch] = [`${partial}/image`, `${partial}/scratch`]
    await host.makeDirectory(directory, { signal })
    await host.makeDirectory(scratch, { signal })
    const recipe = { host, directory, scratch, signal, progress: onProgress }
    const image = await makeHere(here, spec, recipe)
    // A file that changed while it was read would lie under the wrong digest for ever.
    if ((await imageDigest(host, spec, signal, here)) !== digest)
      throw new InfraError('busy', `the files of image ${name} changed while it was built`, {
        subject: name,
        retryable: true,
        hint: 'build it again when nobody writes to them',
      })
    await cache.publish(directory, digest, { kind: spec.kind, builtAt: now().toISOString() }, image, signal)
  } finally {
    // The caller's signal may be what ended the build: the sweep has a deadline of its own.
    await removeTree(host, partial, AbortSignal.timeout(30_000))
  }
  const built = await cache.find(digest, signal)
  if (built !== undefined) return built
  throw new InfraError('not-found', `image ${name} was deleted as soon as it was built`, { subject: name })
}

async function makeHere(here: Host, spec: SettledSpec, recipe: Recipe): Promise<Made> {
  if (spec.kind === 'install') return installHere(here, spec, recipe)
  if (spec.kind !== 'url') return make(here === recipe.host ? spec : await bringFiles(here, spec, recipe), recipe)
  await using file = await download(here, spec.url, spec.checksum, recipe)
  const fetched = { kind: 'disk', path: file.path } as const
  if (here === recipe.host) return await buildDisk(fetched, recipe, { isOurs: true, name: spec.url })
  return await make(await bringFiles(here, fetched, recipe), recipe)
}

/** Installed where the disc is; another host is brought the disk. */
async function installHere(here: Host, spec: InstallSpec, recipe: Recipe): Promise<Made> {
  if (here === recipe.host) return buildInstalled(spec, recipe)
  const { signal, progress } = recipe
  const built = await imageStore(here).build(basename(spec.path), spec, { signal, onProgress: progress })
  if (built.disk === undefined) throw new Bug('an image that was installed has a disk')
  return make(await bringFiles(here, { kind: 'disk', path: built.disk.path }, recipe), recipe)
}

function make(spec: FileSpec, recipe: Recipe): Promise<Made> {
  switch (spec.kind) {
    case 'tiny':
      return buildTiny(recipe)
    case 'kernel':
      return buildKernel(spec, recipe)
    case 'disk':
      return buildDisk(spec, recipe)
    case 'iso':
      return buildDisc(spec, recipe)
    case 'debootstrap':
      return buildDebootstrap(spec, recipe)
  }
}

async function describeImage(
  host: Host,
  cache: ImageCache,
  digest: string,
  signal: AbortSignal,
): Promise<Omit<StoredImage, 'usedBy' | 'givenNames'> | undefined> {
  const [record, uses] = await Promise.all([cache.record(digest, signal), cache.uses(digest, signal)])
  if (record === undefined) return undefined
  const { kind, builtAt } = record
  const size = await host.run(['du', '-sk', `${host.directories.cache}/images/${digest}`], { signal })
  const sizeBytes = Number.parseInt(size.stdout, 10) * 1024
  const names = uses?.names ?? []
  return { digest, name: names.at(-1) ?? kind, names, kind, builtAt, usedAt: uses?.usedAt ?? builtAt, sizeBytes }
}

/** Which guests' definitions name which image: a disk overlay is worth nothing without its base. */
async function imageUsers(host: Host, signal: AbortSignal): Promise<ReadonlyMap<string, readonly string[]>> {
  const users = new Map<string, string[]>()
  for (const folder of ['guests', 'xen']) {
    const guests = `${host.directories.state}/${folder}`
    for (const guest of (await host.list(guests, { signal })) ?? []) {
      const definition = await host.readFile(`${guests}/${guest}/definition.json`, { signal })
      if (definition === undefined) continue
      const digest = /"image":\s*"([0-9a-f]{32})"/.exec(new TextDecoder().decode(definition))?.[1]
      if (digest !== undefined) users.set(digest, [...(users.get(digest) ?? []), guest])
    }
  }
  return users
}

function refuseDeletion(reference: string, matches: readonly StoredImage[]): void {
  if (matches.length === 0)
    throw new InfraError('not-found', `no image ${reference} in the cache`, {
      subject: reference,
      hint: 'see baton image list',
    })
  const guests = matches.flatMap(({ usedBy }) => usedBy)
  if (guests.length > 0)
    throw new InfraError('busy', `image ${reference} is used by ${guests.join(', ')}`, {
      subject: reference,
      hint: 'take these guests away first',
    })
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
