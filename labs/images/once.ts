/** What a lab boots is built once per recipe, into the host's cache: a later run only looks. */
import { createHash } from 'node:crypto'
import type { Host } from '../../src/hosts/host.ts'

export type BuildPlace = {
  readonly host: Host
  /** What is left here is the image. */
  readonly directory: string
  /** Taken away when the image is built. */
  readonly scratch: string
  readonly signal: AbortSignal
}

/**
 * Resolves to the directory that `build` has filled: now, or for an equal recipe before. Others that want the same wait for
 * it; a build that was killed leaves nothing that counts.
 */
export async function builtOnce(
  { host, signal }: Pick<BuildPlace, 'host' | 'signal'>,
  name: string,
  recipe: readonly unknown[],
  build: (place: BuildPlace) => Promise<void>,
): Promise<string> {
  const digest = createHash('sha256').update(JSON.stringify(recipe)).digest('hex').slice(0, 16)
  const root = `${host.directories.cache}/labs`
  const directory = `${root}/${name}-${digest}`
  await host.makeDirectory(root, { signal })
  await using _lock = await host.lock(`${root}/${name}.lock`, { signal })
  if (((await host.list(root, { signal })) ?? []).includes(`${name}-${digest}`)) return directory
  const partial = `${directory}.partial`
  const scratch = `${partial}/scratch`
  await host.remove(partial, { signal })
  await host.makeDirectory(scratch, { signal })
  await build({ host, directory: partial, scratch, signal })
  await host.remove(scratch, { signal })
  await host.rename(partial, directory, { signal })
  return directory
}
