/** Files of this machine on their way to the host on which an image is made from them. */
import { open } from 'node:fs/promises'
import { InfraError } from '../../errors.ts'
import type { Host } from '../../hosts/host.ts'
import { asInfraError } from '../../hosts/local/failures.ts'
import { fileDigests } from './file-digests.ts'
import type { ImageSpec } from './image.ts'
import type { Recipe } from './recipe.ts'

/** What is made from files, or from none. */
export type FileSpec = Exclude<ImageSpec, { readonly kind: 'url' | 'stored' | 'install' }>

/** One command carries so much. */
const pieceBytes = 4 * 1024 ** 2

/** The same spec with the paths of copies in the recipe's scratch space; each is compared by its checksum. */
export async function bringFiles(here: Host, spec: FileSpec, recipe: Recipe): Promise<FileSpec> {
  const paths = [...new Set(filesOf(spec))]
  const digests = await fileDigests(here, paths, recipe.signal)
  const copies = new Map<string, string>()
  for (const [index, path] of paths.entries()) {
    const copy = `${recipe.scratch}/brought.${index}`
    await bring(path, copy, digests[index]?.mode ?? '644', recipe)
    const [there] = await fileDigests(recipe.host, [copy], recipe.signal)
    if (there?.sha256 !== digests[index]?.sha256)
      throw new InfraError('busy', `${path} came to ${recipe.host.name} with another checksum`, {
        subject: path,
        retryable: true,
        hint: 'run this again when nobody writes to it',
      })
    copies.set(path, copy)
  }
  return withFiles(spec, (path) => copies.get(path) ?? path)
}

async function bring(path: string, copy: string, mode: string, recipe: Recipe): Promise<void> {
  const { host, signal, progress } = recipe
  const what = `bring ${path} to ${host.name}`
  try {
    await using file = await open(path)
    const { size } = await file.stat()
    const piece = new Uint8Array(pieceBytes)
    for (let done = 0; ; ) {
      const { bytesRead } = await file.read(piece, 0, pieceBytes, done)
      const script = 'cat >> "$1" && chmod "$2" "$1"'
      const result = await host.run(['sh', '-c', script, 'sh', copy, mode], {
        input: piece.subarray(0, bytesRead),
        signal,
      })
      if (result.code !== 0)
        throw new InfraError(
          result.stderr.includes('No space left') ? 'no-space' : 'failed',
          `${what}: ${result.stderr.trim()}`,
          { subject: path },
        )
      done += bytesRead
      progress(`bringing ${path} to ${host.name}: ${size === 0 ? 100 : Math.floor((100 * done) / size)}%`)
      if (bytesRead < pieceBytes) return
    }
  } catch (error) {
    throw asInfraError(error, what, path, signal)
  }
}

function filesOf(spec: FileSpec): readonly string[] {
  switch (spec.kind) {
    case 'tiny':
      return []
    case 'kernel':
      return spec.initrd === undefined ? [spec.kernel] : [spec.kernel, spec.initrd]
    case 'iso':
    case 'disk':
      return [spec.path]
    case 'debootstrap':
      return Object.values(spec.files)
  }
}

function withFiles(spec: FileSpec, placeOf: (path: string) => string): FileSpec {
  switch (spec.kind) {
    case 'tiny':
      return spec
    case 'kernel':
      return {
        ...spec,
        kernel: placeOf(spec.kernel),
        ...(spec.initrd === undefined ? {} : { initrd: placeOf(spec.initrd) }),
      }
    case 'iso':
    case 'disk':
      return { ...spec, path: placeOf(spec.path) }
    case 'debootstrap':
      return {
        ...spec,
        files: Object.fromEntries(Object.entries(spec.files).map(([target, path]) => [target, placeOf(path)])),
      }
  }
}
