/** The digest of an image: the same inputs give the same digest, without building anything. */
import { createHash } from 'node:crypto'
import { InfraError } from '../../errors.ts'
import type { Host } from '../../hosts/host.ts'
import { debootstrapRecipe } from './debootstrap.ts'
import type { ImageSpec } from './image.ts'
import { tinyRecipe } from './tiny.ts'

type Known = Record<string, { readonly stamp: string; readonly sha256: string }>

/** 32 hexadecimal digits. Large files are hashed once and then known by size, time and inode. */
export async function imageDigest(host: Host, spec: ImageSpec, signal: AbortSignal): Promise<string> {
  const inputs: string[] = [spec.kind]
  switch (spec.kind) {
    case 'tiny':
      inputs.push(tinyRecipe, (await host.facts({ signal })).architecture)
      break
    case 'kernel':
      inputs.push(spec.cmdline, await fileDigest(host, spec.kernel, signal))
      if (spec.initrd !== undefined) inputs.push(await fileDigest(host, spec.initrd, signal))
      break
    case 'disk':
      inputs.push(await fileDigest(host, spec.path, signal))
      break
    case 'debootstrap':
      inputs.push(debootstrapRecipe, spec.suite, spec.mirror ?? '', ...[...spec.packages].sort())
      for (const [target, source] of Object.entries(spec.files).sort())
        inputs.push(target, await fileDigest(host, source, signal))
      break
  }
  return createHash('sha256').update(JSON.stringify(inputs)).digest('hex').slice(0, 32)
}

async function fileDigest(host: Host, path: string, signal: AbortSignal): Promise<string> {
  const stat = await host.run(['stat', '-L', '-c', '%s %.9Y %i', path], { signal })
  if (stat.code !== 0)
    throw new InfraError('not-found', `cannot read the image's file ${path}: ${lastLine(stat.stderr)}`, {
      subject: path,
      hint: 'paths in a spec are relative to the file that names them',
    })
  const stamp = stat.stdout.trim()
  const cachePath = `${host.directories.cache}/images/file-digests.json`
  const known = await readKnown(host, cachePath, signal)
  const entry = known[path]
  if (entry?.stamp === stamp) return entry.sha256
  const sum = await host.run(['sha256sum', '--', path], { signal })
  const sha256 = /^\\?([0-9a-f]{64})/.exec(sum.stdout)?.[1]
  if (sha256 === undefined)
    throw new InfraError('permission', `cannot read the image's file ${path}: ${lastLine(sum.stderr)}`, {
      subject: path,
    })
  await host.writeFile(cachePath, JSON.stringify({ ...known, [path]: { stamp, sha256 } }), { signal })
  return sha256
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

const lastLine = (text: string): string => text.trim().split('\n').at(-1) ?? ''
