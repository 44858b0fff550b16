/** Checksums of images: as they are written, and as sha256sum(1) and its kin list them for the files of a directory. Pure. */

export type Checksum = { readonly algorithm: 'sha256' | 'sha512'; readonly hex: string }

const digits = { sha256: 64, sha512: 128 } as const
const algorithms = ['sha256', 'sha512'] as const

/** `sha256:HEX`, `sha512:HEX`, or HEX alone, whose length says which it is; undefined for anything else. */
export function parseChecksum(text: string): Checksum | undefined {
  const [, named, written = ''] = /^(?:(sha256|sha512):)?([0-9a-f]+)$/i.exec(text.trim()) ?? []
  const algorithm = algorithms.find((one) => digits[one] === written.length)
  if (algorithm === undefined || (named !== undefined && named.toLowerCase() !== algorithm)) return undefined
  return { algorithm, hex: written.toLowerCase() }
}

export function formatChecksum({ algorithm, hex }: Checksum): string {
  return `${algorithm}:${hex}`
}

/**
 * What a list of checksums says of a file, by its name without directories: lines `HEX  NAME`, `HEX *NAME` (GNU) and
 * `SHA256 (NAME) = HEX` (BSD). The longer checksum counts where there are two.
 */
export function checksumIn(list: string, fileName: string): Checksum | undefined {
  const found = list.split(/\r?\n/).flatMap((line) => {
    const [, gnuHex, gnuName] = /^\\?([0-9a-f]{64}|[0-9a-f]{128}) [ *](.+)$/i.exec(line) ?? []
    const [, bsdName, bsdHex] = /^SHA(?:256|512) \((.+)\) = ([0-9a-f]+)$/i.exec(line) ?? []
    const checksum = parseChecksum(gnuHex ?? bsdHex ?? '')
    const name = (gnuName ?? bsdName ?? '').trim()
    return checksum !== undefined && name.slice(name.lastIndexOf('/') + 1) === fileName ? [checksum] : []
  })
  return found.find(({ algorithm }) => algorithm === 'sha512') ?? found[0]
}
