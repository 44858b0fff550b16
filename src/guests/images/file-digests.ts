/** Hashes of the files that images are made from. Each is hashed once, and then known by its size, times and inode. */
import { InfraError } from '../../errors.ts'
import type { Host } from '../../hosts/host.ts'

export type FileDigest = {
  readonly sha256: string
  /** Permission bits, octal. */
  readonly mode: string
}

type Stamp = {
  readonly path: string
  readonly mode: string
  /** Changes whenever the content does; undefined while it changed too lately to tell the next change apart. */
  readonly stamp: string | undefined
}

type Known = Record<string, { readonly stamp: string; readonly sha256: string }>

/** A change in the same tick of the file system's clock leaves the times as they are. */
const settledSeconds = 2
const maxKnown = 500

/** In the order of `paths`. @throws InfraError `not-found`, `permission` or `invalid` (not a regular file). */
export async function fileDigests(
  host: Host,
  paths: readonly string[],
  signal: AbortSignal,
): Promise<readonly FileDigest[]> {
  if (paths.length === 0) return []
  const cachePath = `${host.directories.cache}/images/file-digests.json`
  const [stamps, known] = await Promise.all([readStamps(host, paths, signal), readKnown(host, cachePath, signal)])
  const unknown = stamps.filter(({ path, stamp }) => stamp === undefined || known[path]?.stamp !== stamp)
  const hashed = await hash(host, [...new Set(unknown.map(({ path }) => path))], signal)
  const fresh = unknown.flatMap(({ path, stamp }) => {
    const sha256 = hashed.get(path)
    return stamp === undefined || sha256 === undefined ? [] : [[path, { stamp, sha256 }] as const]
  })
  if (fresh.length > 0) {
    const others = Object.entries(known).filter(([path]) => !hashed.has(path))
    const next: Known = Object.fromEntries([...others, ...fresh].slice(-maxKnown))
    await host.writeFile(cachePath, JSON.stringify(next), { signal })
  }
  return stamps.map(({ path, mode }) => ({ mode, sha256: hashed.get(path) ?? known[path]?.sha256 ?? '' }))
}

async function readStamps(host: Host, paths: readonly string[], signal: AbortSignal): Promise<readonly Stamp[]> {
  const script = 'date +%s; for path; do stat -L -c "%a|%s %.9Y %.9Z %d:%i|%Z|%F" -- "$path" || exit 1; done'
  const result = await host.run(['sh', '-c', script, 'sh', ...paths], { signal, environment: { LC_ALL: 'C' } })
  const [now = '', ...lines] = result.stdout.trim().split('\n')
  return paths.map((path, index) => {
    const [mode = '', stamp = '', changed = '', type] = (lines[index] ?? '').split('|')
    if (type === undefined) throw unreadable(path, result.stderr)
    if (!type.startsWith('regular'))
      throw new InfraError('invalid', `${path} is a ${type}, an image is made from files`, { subject: path })
    return { path, mode, stamp: Number(now) - Number(changed) < settledSeconds ? undefined : stamp }
  })
}

async function hash(host: Host, paths: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, string>> {
  if (paths.length === 0) return new Map()
  const result = await host.run(['sha256sum', '--zero', '--', ...paths], { signal, environment: { LC_ALL: 'C' } })
  const sums = new Map(result.stdout.split('\0').map((entry) => [entry.slice(66), entry.slice(0, 64)]))
  for (const path of paths) if (!/^[0-9a-f]{64}$/.test(sums.get(path) ?? '')) throw unreadable(path, result.stderr)
  return sums
}

function unreadable(path: string, stderr: string): InfraError {
  const reason = stderr.trim().split('\n').at(-1)?.split(': ').at(-1) ?? ''
  return reason === 'Permission denied'
    ? new InfraError('permission', `cannot read the image's file ${path}: ${reason}`, { subject: path })
    : new InfraError('not-found', `cannot read the image's file ${path}: ${reason}`, {
        subject: path,
        hint: 'paths in a spec are relative to the file that names them',
      })
}

/** Only a cache: what cannot be read is hashed again. */
async function readKnown(host: Host, path: string, signal: AbortSignal): Promise<Known> {
  const content = await host.readFile(path, { signal })
  if (content === undefined) return {}
  try {
    const parsed: unknown = JSON.parse(new TextDecoder().decode(content))
    return typeof parsed === 'object' && parsed !== null ? (parsed as Known) : {}
  } catch {
    return {}
  }
}
