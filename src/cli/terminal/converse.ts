/** Joins the terminal (or a pipe) with a stream: what is typed goes out, what comes in is printed. */
import type { Duplex } from 'node:stream'
import { splitAtEscape } from './escape.ts'

export type LeaveReason = 'escape' | 'input-end' | 'guest-end' | 'stopped'

/** With a pipe as input, the answer to its last word is waited for until there was silence for so long. */
const silenceMs = 500

/** In raw mode every key but Ctrl-] goes out, Ctrl-C too. The terminal is restored and the stream closed at the end. */
export async function converse(stream: Duplex, signal: AbortSignal): Promise<LeaveReason> {
  const { stdin, stdout } = process
  const isRaw = stdin.isTTY
  const restore = (): void => {
    if (isRaw) stdin.setRawMode(false)
  }
  process.on('exit', restore)
  if (isRaw) stdin.setRawMode(true)
  let silence: NodeJS.Timeout | undefined
  try {
    return await new Promise<LeaveReason>((resolve, reject) => {
      stdin.on('data', (data: Buffer) => {
        const { before, escaped } = isRaw ? splitAtEscape(data) : { before: data, escaped: false }
        if (before.length > 0 && !stream.write(before)) {
          stdin.pause()
          stream.once('drain', () => stdin.resume())
        }
        if (escaped) resolve('escape')
      })
      stdin.once('end', () => {
        silence = setTimeout(() => resolve('input-end'), silenceMs)
      })
      stream.on('data', (data: Buffer) => {
        silence?.refresh()
        if (stdout.write(data)) return
        stream.pause()
        stdout.once('drain', () => stream.resume())
      })
      for (const name of ['end', 'close'] as const) stream.once(name, () => resolve('guest-end'))
      stream.once('error', reject)
      signal.addEventListener('abort', () => resolve('stopped'), { once: true })
    })
  } finally {
    clearTimeout(silence)
    restore()
    process.removeListener('exit', restore)
    stdin.pause()
    stdin.removeAllListeners('data')
    stream.destroy()
  }
}
