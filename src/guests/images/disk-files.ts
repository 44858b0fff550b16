/** Disk files by themselves, beside any guest or cache: made empty, made larger, written in another format, looked at. By qemu-img. */
import { randomUUID } from 'node:crypto'
import { tidying } from '../../deadline.ts'
import { InfraError } from '../../errors.ts'
import type { Host } from '../../hosts/host.ts'
import { mustRun, qemuImg } from '../storage/qemu-img.ts'

export type DiskFormat = 'qcow2' | 'raw'
type CallOptions = { readonly signal: AbortSignal }

export type DiskFile = {
  readonly path: string
  readonly format: string
  /** What a guest sees. */
  readonly virtualBytes: number
  /** What it takes on the disk. */
  readonly sizeBytes: number
  /** The file that it is an overlay over. */
  readonly backing?: string
  readonly snapshots: readonly string[]
}

type Info = {
  readonly format: string
  readonly 'virtual-size': number
  readonly 'actual-size'?: number
  readonly 'full-backing-filename'?: string
  readonly snapshots?: readonly { readonly name: string }[]
}

/** Also one that a guest has open. @throws InfraError `not-found` or `failed` */
export async function describeDiskFile(host: Host, path: string, options: CallOptions): Promise<DiskFile> {
  await mustStand(host, path, options)
  const doing = { what: `look at ${path}`, path, ...options }
  const { stdout } = await qemuImg(host, ['info', '-U', '--output=json', path], doing)
  const info = JSON.parse(stdout) as Info
  const backing = info['full-backing-filename']
  return {
    path,
    format: info.format,
    virtualBytes: info['virtual-size'],
    sizeBytes: info['actual-size'] ?? 0,
    ...(backing === undefined ? {} : { backing }),
    snapshots: (info.snapshots ?? []).map(({ name }) => name),
  }
}

/** Empty, and sparse. @throws InfraError `already-exists` */
export async function createDiskFile(
  host: Host,
  { path, format, sizeBytes }: { readonly path: string; readonly format: DiskFormat; readonly sizeBytes: number },
  options: CallOptions,
): Promise<DiskFile> {
  await mustBeFree(host, path, options)
  await inPlace(host, path, (partial) =>
    qemuImg(host, ['create', '-q', '-f', format, partial, String(sizeBytes)], {
      what: `make disk ${path}`,
      path,
      ...options,
    }),
  )
  return describeDiskFile(host, path, options)
}

/** `shrinks`: what lies behind the new end is lost. @throws InfraError `invalid` for a smaller size otherwise. */
export async function resizeDiskFile(
  host: Host,
  { path, sizeBytes, shrinks }: { readonly path: string; readonly sizeBytes: number; readonly shrinks: boolean },
  options: CallOptions,
): Promise<DiskFile> {
  const { format, virtualBytes, snapshots } = await describeDiskFile(host, path, options)
  const isSmaller = sizeBytes < virtualBytes
  if (isSmaller && !shrinks)
    throw new InfraError('invalid', `resize ${path}: it has ${virtualBytes} bytes, more than ${sizeBytes}`, {
      subject: path,
      hint: 'shrink its file system first, then say --shrink: what lies behind the new end is lost',
    })
  if (isSmaller && snapshots.length > 0)
    throw new InfraError('invalid', `resize ${path}: it has snapshots, and those have its size`, {
      subject: path,
      hint: `delete them first: ${snapshots.join(', ')}`,
    })
  const shrink = isSmaller ? ['--shrink'] : []
  await qemuImg(host, ['resize', '-q', '-f', format, ...shrink, path, String(sizeBytes)], {
    what: `resize ${path}`,
    path,
    ...options,
  })
  return describeDiskFile(host, path, options)
}

export type Conversion = {
  readonly from: string
  /** As a fact where it is known; looked for in the file's bytes otherwise. */
  readonly fromFormat?: string
  readonly to: string
  readonly format: DiskFormat
  readonly compresses?: boolean
  /** A guest that stands still has it open. */
  readonly isOpen?: boolean
}

/** A whole disk, with what lies in the files below an overlay. @throws InfraError `already-exists` */
export async function convertDiskFile(
  host: Host,
  { from, fromFormat, to, format, compresses = false, isOpen = false }: Conversion,
  { signal, progress = () => {} }: CallOptions & { readonly progress?: (text: string) => void },
): Promise<DiskFile> {
  await mustStand(host, from, { signal })
  await mustBeFree(host, to, { signal })
  const source = fromFormat === undefined ? [] : ['-f', fromFormat]
  const args = [
    'convert',
    '-p',
    ...(isOpen ? ['-U'] : []),
    ...source,
    '-O',
    format,
    ...(compresses && format === 'qcow2' ? ['-c'] : []),
    from,
  ]
  const onStderr = (text: string): void => {
    const percent = [...text.matchAll(/\((\d+)\.\d+\/100%\)/g)].at(-1)?.[1]
    if (percent !== undefined) progress(`writing it: ${percent}%`)
  }
  await inPlace(host, to, (partial) =>
    // Its progress is on standard output, which is told at the end only.
    mustRun(host, ['sh', '-c', 'exec "$@" >&2', 'sh', 'qemu-img', ...args, partial], {
      what: `convert ${from}`,
      path: from,
      signal,
      onStderr,
    }),
  )
  return describeDiskFile(host, to, { signal })
}

/** The whole file appears at once under its name, or nothing does. */
async function inPlace(host: Host, path: string, make: (partial: string) => Promise<unknown>): Promise<void> {
  const partial = `${path}.${randomUUID()}.partial`
  try {
    await make(partial)
    await host.rename(partial, path, { signal: AbortSignal.timeout(30_000) })
  } catch (error) {
    await host.remove(partial, tidying())
    throw error
  }
}

async function mustStand(host: Host, path: string, options: CallOptions): Promise<void> {
  if (await isThere(host, path, options)) return
  throw new InfraError('not-found', `there is no disk ${path}`, { subject: path })
}

async function mustBeFree(host: Host, path: string, options: CallOptions): Promise<void> {
  if (!(await isThere(host, path, options))) return
  throw new InfraError('already-exists', `${path} is there already`, {
    subject: path,
    hint: 'choose another name, or remove it first',
  })
}

async function isThere(host: Host, path: string, options: CallOptions): Promise<boolean> {
  return (await host.run(['test', '-e', path], options)).code === 0
}
