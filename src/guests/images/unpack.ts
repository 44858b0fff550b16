/** Disks that were compressed for their way: recognized by how they begin, whatever their name says, and unpacked by the host's own programs. */
import { InfraError } from '../../errors.ts'
import { howToInstall, type Tool } from '../../hosts/install.ts'
import type { Recipe } from './recipe.ts'

type Packing = { readonly begins: RegExp; readonly program: Extract<Tool, 'gzip' | 'xz' | 'zstd'> }

const packings: readonly Packing[] = [
  { begins: /^1f8b/, program: 'gzip' },
  { begins: /^fd377a585a00/, program: 'xz' },
  { begins: /^28b52ffd/, program: 'zstd' },
]

/** sh(1) says this of a program that there is not. */
const notFound = 127

/** `head` is the beginning of the file in hexadecimal. undefined: it is not compressed, or in a way that nobody unpacks. */
export function packingOf(head: string): Packing | undefined {
  return packings.find(({ begins }) => begins.test(head))
}

/** What a compressed disk is called unpacked. */
export const unpackedName = (name: string): string => name.replace(/\.(gz|xz|zst)$/i, '')

/** @throws InfraError `missing-tool`, `no-space`, `invalid` for what is damaged. */
export async function unpack(
  { host, signal, progress }: Recipe,
  from: { readonly path: string; readonly name: string; readonly packing: Packing },
  to: string,
): Promise<void> {
  const { path, name, packing } = from
  const { program } = packing
  progress(`unpacking ${name}`)
  const { code, stderr } = await host.run(['sh', '-c', 'exec "$0" -dc < "$1" > "$2"', program, path, to], { signal })
  if (code === 0) return
  if (code === notFound)
    throw new InfraError('missing-tool', `unpack ${name}: ${program} is not installed`, {
      subject: program,
      hint: await howToInstall(host, program, { signal }),
    })
  const isFull = /No space left/.test(stderr)
  throw new InfraError(isFull ? 'no-space' : 'invalid', `unpack ${name}: ${stderr.trim()}`, {
    subject: name,
    ...(isFull ? {} : { hint: 'the file is damaged: fetch it again' }),
  })
}
