/** What a system is installed from: an ISO, a directory or a URL, and the installer's kernel and initrd in it. */
import { type FileHandle, open } from 'node:fs/promises'
import { InfraError } from '../../errors.ts'
import { findOnDisc } from '../../wire/iso9660.ts'
import { WireError } from '../../wire/wire-error.ts'

type CallOptions = { readonly signal: AbortSignal }

export type InstallTree = {
  readonly kind: 'iso' | 'directory' | 'url'
  has(path: string, options: CallOptions): Promise<boolean>
  /** undefined when there is no such file. */
  read(path: string, options: CallOptions): Promise<Uint8Array | undefined>
}

export type KernelPair = { readonly kernel: string; readonly initrd: string }

/** `location`: a URL, or an absolute path. */
export function openTree(location: string, isDirectory: boolean): InstallTree {
  if (/^(https?|ftp):\/\//.test(location)) return urlTree(location)
  return isDirectory ? directoryTree(location) : discTree(location)
}

function urlTree(location: string): InstallTree {
  const ask = async (path: string, method: string, { signal }: CallOptions): Promise<Response | undefined> => {
    const url = `${location.replace(/\/$/, '')}/${path}`
    const fail = (why: string, cause?: unknown): never => {
      throw new InfraError('unreachable', `${method} ${url}: ${why}`, { subject: url, cause })
    }
    const response = await fetch(url, { method, signal }).catch((error: unknown) => fail(String(error), error))
    if (response.status === 404 || response.status === 403) return undefined
    return response.ok ? response : fail(`status ${response.status}`)
  }
  return {
    kind: 'url',
    has: async (path, options) => (await ask(path, 'HEAD', options)) !== undefined,
    async read(path, options) {
      const response = await ask(path, 'GET', options)
      return response && new Uint8Array(await response.arrayBuffer())
    },
  }
}

/** Opened for each file: what is not there is told from what cannot be read. */
async function withFile<T>(path: string, use: (file: FileHandle) => Promise<T>): Promise<T | undefined> {
  let file: FileHandle
  try {
    file = await open(path, 'r')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new InfraError('permission', `read ${path}: ${String(error)}`, { subject: path, cause: error })
  }
  try {
    return await use(file)
  } finally {
    await file.close()
  }
}

function directoryTree(location: string): InstallTree {
  return {
    kind: 'directory',
    has: async (path) => (await withFile(`${location}/${path}`, async () => true)) === true,
    read: (path) => withFile(`${location}/${path}`, async (file) => new Uint8Array(await file.readFile())),
  }
}

function discTree(location: string): InstallTree {
  const onDisc = async <T>(
    path: string,
    use: (read: (offset: number, length: number) => Promise<Uint8Array>, offset: number, size: number) => Promise<T>,
  ): Promise<T | undefined> => {
    try {
      return await withFile(location, async (file) => {
        const read = async (offset: number, length: number): Promise<Uint8Array> => {
          const { buffer, bytesRead } = await file.read(new Uint8Array(length), 0, length, offset)
          return buffer.subarray(0, bytesRead)
        }
        const found = await findOnDisc(read, path)
        return found && (await use(read, found.offset, found.size))
      })
    } catch (error) {
      if (!(error instanceof WireError)) throw error
      const message = `${location} is no ISO image (${error.message})`
      throw new InfraError('invalid', message, { subject: location, cause: error })
    }
  }
  return {
    kind: 'iso',
    has: async (path) => (await onDisc(path, async () => true)) === true,
    read: (path) => onDisc(path, (read, offset, size) => read(offset, size)),
  }
}

/** Debian names its architectures in its own words, and its ISO's directories in yet others. */
const debianNames: Readonly<Record<string, readonly [architecture: string, directory: string]>> = {
  x86_64: ['amd64', 'amd'],
  i686: ['i386', '386'],
  aarch64: ['arm64', 'a64'],
}

/** Where the distributions keep them that write no `.treeinfo`. */
function knownPairs(arch: string): readonly KernelPair[] {
  const [debian, directory] = debianNames[arch] ?? [arch, arch]
  const netboot = (below: string, name: string): KernelPair => ({
    kernel: `${below}/netboot/${name}-installer/${debian}/linux`,
    initrd: `${below}/netboot/${name}-installer/${debian}/initrd.gz`,
  })
  const pair = (folder: string, kernel: string, initrd: string): KernelPair => ({
    kernel: `${folder}/${kernel}`,
    initrd: `${folder}/${initrd}`,
  })
  return [
    ...['debian', 'ubuntu'].flatMap((name) =>
      ['current/images', 'current/legacy-images', 'daily', 'install'].map((below) => netboot(below, name)),
    ),
    // A small disc that fetches all else.
    { kernel: 'linux', initrd: 'initrd.gz' },
    pair(`install.${directory}`, 'vmlinuz', 'initrd.gz'),
    pair('install', 'vmlinuz', 'initrd.gz'),
    pair('casper', 'vmlinuz', 'initrd'),
    pair('images/pxeboot', 'vmlinuz', 'initrd.img'),
    pair(`boot/${arch}/loader`, 'linux', 'initrd'),
    pair(`boot/${arch}`, 'linux', 'initrd'),
    pair(`arch/boot/${arch}`, 'vmlinuz-linux', 'initramfs-linux.img'),
    pair('boot', 'vmlinuz-lts', 'initramfs-lts'),
    pair('boot', 'vmlinuz-virt', 'initramfs-virt'),
    pair(`isolinux/${arch}`, 'vmlinuz', 'all.rdz'),
    pair('isolinux', 'vmlinuz', 'initrd.img'),
  ]
}

/** undefined when the tree is none that is known. */
export async function findKernel(
  tree: InstallTree,
  arch: string,
  options: CallOptions,
): Promise<KernelPair | undefined> {
  for (const file of ['.treeinfo', 'treeinfo']) {
    const told = await tree.read(file, options)
    const pair = told && kernelOfTreeinfo(new TextDecoder().decode(told))
    if (pair !== undefined) return pair
  }
  for (const pair of knownPairs(arch))
    if ((await tree.has(pair.kernel, options)) && (await tree.has(pair.initrd, options))) return pair
  return undefined
}

/** A file of productmd: `[general] arch = …`, `[images-ARCH] kernel = …, initrd = …`. */
export function kernelOfTreeinfo(text: string): KernelPair | undefined {
  const values = new Map<string, string>()
  let section = ''
  for (const line of text.split('\n')) {
    section = /^\s*\[(.+)\]\s*$/.exec(line)?.[1] ?? section
    const [, name, value] = /^\s*([\w.-]+)\s*[=:]\s*(.*?)\s*$/.exec(line) ?? []
    if (name !== undefined && value !== undefined) values.set(`${section} ${name}`, value)
  }
  const images = `images-${values.get('general arch') ?? ''}`
  const [kernel, initrd] = [values.get(`${images} kernel`), values.get(`${images} initrd`)]
  return kernel === undefined || initrd === undefined ? undefined : { kernel, initrd }
}
