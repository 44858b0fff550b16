/** Files that hold a number, which somebody else writes: looked at again and again (keepalived's track_file). */
import { readNumber } from '../number-file.ts'
import type { TrackedState } from './machine/tracking.ts'
import { type TrackSpec, trackName } from './spec.ts'

const everyMs = 500

/** Until it is disposed of. `onState`: at first, and when it changes; what cannot be read leaves it as it was. */
export function watchFile(
  spec: TrackSpec & { readonly kind: 'file' },
  onState: (name: string, state: TrackedState) => void,
): Disposable {
  let told: number | undefined
  let timer: NodeJS.Timeout | undefined
  let isOver = false
  const look = async (): Promise<void> => {
    const value = await readNumber(spec.path).catch(() => undefined)
    if (isOver) return
    if (value !== undefined && value !== told) {
      told = value
      onState(trackName(spec), value)
    }
    timer = setTimeout(() => void look(), everyMs)
  }
  void look()
  return {
    [Symbol.dispose]: () => {
      isOver = true
      clearTimeout(timer)
    },
  }
}
