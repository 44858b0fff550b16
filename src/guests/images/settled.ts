/** What a spec leaves to be looked up before anybody knows which image it means: names, and checksums that stand in a list. */
import { InfraError } from '../../errors.ts'
import type { Host } from '../../hosts/host.ts'
import { type ImageCache, imageCache } from './cache.ts'
import { type Checksum, checksumIn, parseChecksum } from './checksum.ts'
import { fetchText } from './fetch.ts'
import type { BuiltImage, ImageSpec } from './image.ts'

export type SettledSpec =
  | Exclude<ImageSpec, { readonly kind: 'url' | 'stored' }>
  | { readonly kind: 'url'; readonly url: string; readonly checksum: Checksum }

/** @throws InfraError `not-found` for a list that does not name the file, and what fetching the list throws. */
export async function settledUrl(
  { url, checksum }: Extract<ImageSpec, { kind: 'url' }>,
  signal: AbortSignal,
): Promise<Extract<SettledSpec, { kind: 'url' }>> {
  const written = parseChecksum(checksum)
  if (written !== undefined) return { kind: 'url', url, checksum: written }
  const file = decodeURIComponent(new URL(url).pathname.split('/').at(-1) ?? '')
  const found = checksumIn(await fetchText(checksum, signal), file)
  if (found !== undefined) return { kind: 'url', url, checksum: found }
  throw new InfraError('not-found', `${checksum} has no checksum of ${file}`, {
    subject: url,
    hint: 'is it the list of the same directory? SHA256SUMS and SHA512SUMS are read',
  })
}

/** The digest that has this name. @throws InfraError `not-found` */
export async function digestNamed(cache: ImageCache, name: string, signal: AbortSignal): Promise<string> {
  const names = await cache.names(signal)
  const digest = names[name]
  if (digest !== undefined) return digest
  const others = Object.keys(names).join(', ')
  throw new InfraError('not-found', `no image here has the name ${name}`, {
    subject: name,
    hint: `give it one: baton image pull ${name} URL, or baton image add ${name} FILE${others === '' ? '' : `; there are ${others}`}`,
  })
}

/** A named image of this machine as the files of which another host can make it. */
export async function namedFiles(here: Host, name: string, signal: AbortSignal): Promise<SettledSpec> {
  const cache = imageCache(here)
  const image = await cache.find(await digestNamed(cache, name, signal), signal)
  const found = image === undefined ? undefined : filesOf(image)
  if (found !== undefined) return found
  throw new InfraError('not-found', `the image ${name} is gone from the cache`, {
    subject: name,
    hint: 'baton image list shows what is there',
  })
}

function filesOf({ kernel, initrd, cmdline, disk, disc }: BuiltImage): SettledSpec | undefined {
  if (kernel !== undefined)
    return { kind: 'kernel', kernel, ...(initrd === undefined ? {} : { initrd }), cmdline: cmdline ?? '' }
  if (disc !== undefined) return { kind: 'iso', path: disc }
  return disk === undefined ? undefined : { kind: 'disk', path: disk.path }
}
