/** Images as tables and lines. */
import type { DiskFile } from '../../guests/images/disk-files.ts'
import type { BuiltImage } from '../../guests/images/image.ts'
import type { StoredImage } from '../../guests/images/store.ts'
import type { Paint } from '../terminal/paint.ts'
import { type Column, type Row, table } from './table.ts'
import { formatBytes } from './units.ts'

const columns: readonly Column[] = [
  { title: 'IMAGE' },
  { title: 'KIND' },
  { title: 'DIGEST' },
  { title: 'SIZE', align: 'right' },
  { title: 'BUILT' },
  { title: 'USED BY' },
]

/** Enough of a digest to name it. */
const digestLength = 12

export function imagesView(images: readonly StoredImage[], paint: Paint): string[] {
  if (images.length === 0) return ['no images in the cache']
  const rows = images.map(
    (image): Row => [
      image.name,
      image.kind,
      image.digest.slice(0, digestLength),
      formatBytes(image.sizeBytes),
      image.builtAt.replace('T', ' ').slice(0, 16),
      image.usedBy.join(' '),
    ],
  )
  return table(columns, rows, paint)
}

export function deletedView(images: readonly StoredImage[]): string[] {
  return images.map(({ name, digest }) => `${name} ${digest.slice(0, digestLength)}: deleted`)
}

export function builtView(images: readonly (BuiltImage & { readonly name: string })[]): string[] {
  if (images.length === 0) return ['the file has no images']
  return images.map(
    ({ name, digest, disk, kernel }) => `${name} ${digest.slice(0, digestLength)}: ${disk?.path ?? kernel}`,
  )
}

export function diskFileView({ path, format, virtualBytes, sizeBytes, backing, snapshots }: DiskFile): string[] {
  return [
    `${path}: ${format}, ${formatBytes(virtualBytes)}, of which ${formatBytes(sizeBytes)} are on the disk`,
    ...(backing === undefined ? [] : [`  an overlay over ${backing}`]),
    ...(snapshots.length === 0 ? [] : [`  snapshots: ${snapshots.join(', ')}`]),
  ]
}

export function imageView({ disk, ...image }: StoredImage & { readonly disk?: DiskFile }, paint: Paint): string[] {
  return [...imagesView([image], paint), ...(disk === undefined ? [] : diskFileView(disk))]
}
