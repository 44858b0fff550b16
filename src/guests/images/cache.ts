/** The files of the image cache: one directory per image, made beside its place and renamed into it when whole. */
import { randomBytes } from 'node:crypto'
import { basename } from 'node:path'
import { tidying } from '../../deadline.ts'
import { InfraError, isInfraError } from '../../errors.ts'
import type { Host } from '../../hosts/host.ts'
import type { BuiltImage, ImageSpec } from './image.ts'
import type { Made } from './recipe.ts'

/** image.json beside the image's files; paths are names in the same directory, so the cache can move. */
export type ImageRecord = { readonly kind: ImageSpec['kind']; readonly builtAt: string; readonly image: Made }

/** uses.json: under which names, the newest last, and when an image was asked for. */
export type ImageUses = { readonly names: readonly string[]; readonly usedAt: string }

export type ImageCache = ReturnType<typeof imageCache>

const digestPattern = /^[0-9a-f]{32}$/
const partialPattern = /^\.([0-9a-f]{32})\.[0-9a-f]+\.partial$/
const maxNames = 20
/** A use is written down again after this long, so that asking often costs only a read. */
const usePrecisionMs = 3_600_000

export function imageCache(host: Host) {
  const root = `${host.directories.cache}/images`
  const directoryOf = (digest: string): string => `${root}/${digest}`
  const newPartial = (digest: string): string => `${root}/.${digest}.${randomBytes(6).toString('hex')}.partial`
  const readJson = async (path: string, signal: AbortSignal): Promise<unknown> => {
    const content = await host.readFile(path, { signal })
    return content === undefined ? undefined : JSON.parse(new TextDecoder().decode(content))
  }
  const record = async (digest: string, signal: AbortSignal): Promise<ImageRecord | undefined> =>
    (await readJson(`${directoryOf(digest)}/image.json`, signal)) as ImageRecord | undefined
  const uses = async (digest: string, signal: AbortSignal): Promise<ImageUses | undefined> =>
    (await readJson(`${directoryOf(digest)}/uses.json`, signal)) as ImageUses | undefined

  const namesFile = `${root}/names.json`
  const names = async (signal: AbortSignal): Promise<Readonly<Record<string, string>>> =>
    ((await readJson(namesFile, signal)) ?? {}) as Record<string, string>

  return {
    record,
    uses,
    newPartial,

    /** Names given by hand, and the digests that they stand for. */
    names,

    /** The name stands for this image from now on, and no more for another; undefined: for none. */
    async setName(name: string, digest: string | undefined, signal: AbortSignal): Promise<void> {
      await host.makeDirectory(root, { signal })
      await using _lock = await host.lock(`${root}/.names.lock`, { signal })
      const { [name]: _before, ...others } = await names(signal)
      await host.writeFile(namesFile, JSON.stringify(digest === undefined ? others : { ...others, [name]: digest }), {
        signal,
      })
    },

    async find(digest: string, signal: AbortSignal): Promise<BuiltImage | undefined> {
      const found = await record(digest, signal)
      return found === undefined
        ? undefined
        : { digest, ...withPaths(found.image, (name) => `${directoryOf(digest)}/${name}`) }
    },

    async digests(signal: AbortSignal): Promise<readonly string[]> {
      return ((await host.list(root, { signal })) ?? []).filter((name) => digestPattern.test(name))
    },

    async noteUse(digest: string, name: string, now: Date, signal: AbortSignal): Promise<void> {
      const known = await uses(digest, signal)
      const fresh = known !== undefined && now.getTime() - Date.parse(known.usedAt) < usePrecisionMs
      if (fresh && known.names.includes(name)) return
      const names = [...(known?.names ?? []).filter((other) => other !== name), name].slice(-maxNames)
      const next: ImageUses = { names, usedAt: now.toISOString() }
      await host.writeFile(`${directoryOf(digest)}/uses.json`, JSON.stringify(next), { signal })
    },

    /** One holder per image; `onWait` is called once when another has it. The lock file goes with the last holder. */
    async lock(digest: string, signal: AbortSignal, onWait?: () => void): Promise<AsyncDisposable> {
      const path = `${root}/.${digest}.lock`
      const timer = onWait === undefined ? undefined : setTimeout(onWait, 300)
      try {
        const held = await host.lock(path, { signal })
        return {
          async [Symbol.asyncDispose]() {
            await host.remove(path, tidying())
            await held[Symbol.asyncDispose]()
          },
        }
      } finally {
        clearTimeout(timer)
      }
    },

    /** Makes the whole image appear at once. */
    async publish(
      partial: string,
      digest: string,
      found: Omit<ImageRecord, 'image'>,
      image: Made,
      signal: AbortSignal,
    ) {
      const content: ImageRecord = { ...found, image: withPaths(image, (path) => basename(path)) }
      await host.writeFile(`${partial}/image.json`, JSON.stringify(content), { signal })
      await host.rename(partial, directoryOf(digest), { signal })
    },

    /** Makes the whole image disappear at once, then takes its files away. */
    async withdraw(digest: string, signal: AbortSignal): Promise<void> {
      const partial = newPartial(digest)
      await host.rename(directoryOf(digest), partial, { signal })
      await removeTree(host, partial, signal)
    },

    /** What killed builds left: of this image (its lock is held by the caller) and of all that nobody builds now. */
    async sweep(held: string, signal: AbortSignal): Promise<void> {
      for (const name of (await host.list(root, { signal })) ?? []) {
        const digest = partialPattern.exec(name)?.[1]
        if (digest === undefined) continue
        if (digest === held) await removeTree(host, `${root}/${name}`, signal)
        else await sweepIfFree(host, root, name, digest)
      }
    },
  }
}

async function sweepIfFree(host: Host, root: string, name: string, digest: string): Promise<void> {
  try {
    await using _lock = await host.lock(`${root}/.${digest}.lock`, { signal: AbortSignal.timeout(20) })
    await removeTree(host, `${root}/${name}`, AbortSignal.timeout(30_000))
    await host.remove(`${root}/.${digest}.lock`, tidying())
  } catch (error) {
    if (!isInfraError(error)) throw error // it is being built, or cannot be removed: the next sweep tries again
  }
}

/** A build without root leaves files of other user ids, which only the same user namespace may remove. */
export async function removeTree(host: Host, path: string, signal: AbortSignal): Promise<void> {
  try {
    await host.remove(path, { signal })
  } catch (error) {
    if (!isInfraError(error, 'permission')) throw error
    const command = ['unshare', '--map-root-user', '--map-auto', 'rm', '-rf', '--', path]
    const result = await host.run(command, { signal })
    if (result.code !== 0)
      throw new InfraError('permission', `remove ${path}: ${result.stderr.trim()}`, { subject: path, cause: error })
  }
}

function withPaths(image: Made, change: (path: string) => string): Made {
  const { kernel, initrd, disk, disc, ...rest } = image
  return {
    ...rest,
    ...(kernel === undefined ? {} : { kernel: change(kernel) }),
    ...(initrd === undefined ? {} : { initrd: change(initrd) }),
    ...(disc === undefined ? {} : { disc: change(disc) }),
    ...(disk === undefined ? {} : { disk: { ...disk, path: change(disk.path) } }),
  }
}
