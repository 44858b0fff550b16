/** The image `tiny`, built where all labs share it. */
import type { Baton } from '../hello/baton.ts'

export type TinyFiles = { readonly kernel: string; readonly initrd: string }

/** Builds it when it is not there. Resolves to the paths of its files, as the program tells them. */
export async function tinyFiles(baton: Baton): Promise<TinyFiles> {
  const [tiny] = await baton.json<readonly TinyFiles[]>('image', 'build', 'tiny')
  if (tiny === undefined) throw new Error('baton image build tiny --json: names no image')
  return tiny
}
