/** The image `tiny`, built where all labs share it. */
import { imageStore } from '../../src/guests/images/store.ts'
import { localHost } from '../../src/hosts/local/local.ts'
import type { Baton } from '../hello/baton.ts'

export type TinyFiles = { readonly kernel: string; readonly initrd: string }

/** Builds it when it is not there. Resolves to the paths of its files, as the program tells them. */
export async function tinyFiles(baton: Baton): Promise<TinyFiles> {
  const [tiny] = await baton.json<readonly TinyFiles[]>('image', 'build', 'tiny')
  if (tiny === undefined) throw new Error('baton image build tiny --json: names no image')
  return tiny
}

/** Another image with nothing to build, by this name in the store: tiny under another kernel command line. */
export async function storeOtherTiny(baton: Baton, name: string): Promise<void> {
  const cache = baton.environment['BATON_CACHE_DIR'] ?? ''
  const { kernel, initrd } = await tinyFiles(baton)
  const other = { kind: 'kernel', kernel, initrd, cmdline: 'console=ttyS0 quiet' } as const
  const store = imageStore(localHost({ directories: { runtime: baton.directory, state: baton.directory, cache } }))
  const call = { signal: AbortSignal.timeout(60_000) }
  await store.give(name, (await store.build(name, other, call)).digest, call)
}
