/** What every kind of image is built with, and what comes out. */
import type { Host } from '../../hosts/host.ts'
import type { BuiltImage } from './image.ts'

export type Recipe = {
  readonly host: Host
  /** The empty directory that becomes the image. */
  readonly directory: string
  /** Scratch space beside it, removed afterwards. */
  readonly scratch: string
  readonly signal: AbortSignal
  readonly progress: (text: string) => void
}

/** An image whose paths lie in the recipe's `directory`; its digest is known to who asked for it. */
export type Made = Omit<BuiltImage, 'digest'>
