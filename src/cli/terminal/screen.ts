/** The whole terminal as a surface for frames; what was there before comes back, however the process ends. */
import type { Size } from '../top/frame.ts'
import { decodeKeys } from './keys.ts'

export interface Screen extends Disposable {
  size(): Size
  /** Replaces what stands there; the lines fit the size. */
  draw(lines: readonly string[]): void
}

export type ScreenEvents = {
  readonly onKey: (key: string) => void
  readonly onResize: () => void
}

type Input = NodeJS.ReadStream
type Surface = NodeJS.WriteStream

const enter = '\u001b[?1049h\u001b[?25l\u001b[?7l'
const leave = '\u001b[?7h\u001b[?25h\u001b[?1049l'

/** `input` is read in raw mode when it is a terminal: Ctrl-C arrives as the key `ctrl-c` then. */
export function openScreen(input: Input, surface: Surface, events: ScreenEvents): Screen {
  let isOpen = true
  let shown = ''
  const onData = (data: Buffer): void => {
    for (const key of decodeKeys(data.toString('utf8'))) events.onKey(key)
  }
  const onResize = (): void => {
    shown = ''
    events.onResize()
  }
  const close = (): void => {
    if (!isOpen) return
    isOpen = false
    process.removeListener('exit', close)
    surface.removeListener('resize', onResize)
    input.removeListener('data', onData)
    if (input.isTTY) input.setRawMode(false)
    input.pause()
    surface.write(leave)
  }
  process.on('exit', close)
  surface.on('resize', onResize)
  if (input.isTTY) {
    input.setRawMode(true)
    input.on('data', onData)
    input.resume()
  }
  surface.write(enter)
  return {
    size: () => ({ columns: surface.columns, rows: surface.rows }),
    draw(lines) {
      const next = `\u001b[H${lines.map((line) => `${line}\u001b[K`).join('\r\n')}\u001b[J`
      if (next !== shown && isOpen) surface.write(next)
      shown = next
    },
    [Symbol.dispose]: close,
  }
}
