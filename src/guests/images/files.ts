/** Images made from files the user gives: a kernel with its initrd, or a whole disk. Copied, so that a guest's base never changes. */
import { InfraError } from '../../errors.ts'
import type { BuiltImage, ImageSpec } from './image.ts'
import type { Recipe } from './recipe.ts'

export async function buildKernel(
  spec: Extract<ImageSpec, { kind: 'kernel' }>,
  recipe: Recipe,
): Promise<Omit<BuiltImage, 'digest'>> {
  const { directory } = recipe
  await copy(recipe, spec.kernel, `${directory}/vmlinuz`)
  if (spec.initrd === undefined) return { kernel: `${directory}/vmlinuz`, cmdline: spec.cmdline }
  await copy(recipe, spec.initrd, `${directory}/initrd`)
  return { kernel: `${directory}/vmlinuz`, initrd: `${directory}/initrd`, cmdline: spec.cmdline }
}

type ImageInfo = { readonly format?: string; readonly 'virtual-size'?: number; readonly 'backing-filename'?: string }

/**
 * qcow2 is known by its magic; everything else is raw, whatever it looks like, so that bytes written by a guest into
 * a raw disk can never make it something else. A backing file would be a hole in the cache: its chain is flattened.
 */
export async function buildDisk(
  spec: Extract<ImageSpec, { kind: 'disk' }>,
  recipe: Recipe,
): Promise<Omit<BuiltImage, 'digest'>> {
  const { host, directory, signal, progress } = recipe
  const magic = await host.run(['head', '-c', '4', '--', spec.path], { signal })
  const format = magic.stdout === 'QFI\ufffd' ? 'qcow2' : 'raw'
  const info = await describe(recipe, spec.path, format)
  const target = `${directory}/disk.${format}`
  progress(`copying ${spec.path}`)
  if (info['backing-filename'] === undefined) await copy(recipe, spec.path, target)
  else {
    const flat = await host.run(['qemu-img', 'convert', '-f', format, '-O', format, spec.path, target], { signal })
    if (flat.code !== 0)
      throw new InfraError('failed', `flatten ${spec.path}: ${flat.stderr.trim()}`, { subject: spec.path })
  }
  return { disk: { path: target, format, sizeBytes: info['virtual-size'] ?? 0 } }
}

async function describe({ host, signal }: Recipe, path: string, format: string): Promise<ImageInfo> {
  const result = await host
    .run(['qemu-img', 'info', '-U', '-f', format, '--output=json', path], { signal })
    .catch((error: unknown) => {
      throw error instanceof InfraError && error.code === 'missing-tool'
        ? new InfraError('missing-tool', error.message, {
            subject: 'qemu-img',
            cause: error,
            hint: 'apt-get install qemu-utils',
          })
        : error
    })
  if (result.code !== 0)
    throw new InfraError('invalid', `${path} is not a disk image: ${result.stderr.trim()}`, {
      subject: path,
      hint: 'give a qcow2 or raw file',
    })
  return JSON.parse(result.stdout) as ImageInfo
}

async function copy({ host, signal }: Recipe, from: string, to: string): Promise<void> {
  const result = await host.run(['cp', '--reflink=auto', '--sparse=always', '--', from, to], { signal })
  if (result.code !== 0) throw new InfraError('failed', `copy ${from}: ${result.stderr.trim()}`, { subject: from })
}
