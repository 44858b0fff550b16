/** Keeps a trace of checks in a file of bounded size. */
import { type FileHandle, lstat, open, rename } from 'node:fs/promises'
import { TraceFormat, type TraceRecord, traceHead } from './trace.ts'

export type TraceFileOptions = {
  /** The wall's time, and that of the monotonic clock by which records go. */
  readonly now: () => { readonly at: Date; readonly atMs: number }
  /** The file cannot be written, and the trace ends here: said once. */
  readonly onTrouble: (reason: string) => void
  readonly maximumBytes?: number
}

export type TraceFile = AsyncDisposable & {
  /** Never waits, and never throws. */
  write(record: TraceRecord): void
}

const usualBytes = 64 * 1024 * 1024
/** Records that a slow disk has not taken yet; beyond, they are dropped, and the file says how many. */
const mostWaiting = 50_000
/** In one piece; the file is longer than its bound by no more. */
const recordsAtOnce = 1000
/** A crash loses what came within this time. */
const flushMs = 200

/**
 * Beyond 64 MiB the file becomes FILE.1, in the place of an older one, and a new one begins; so does the one that an
 * earlier run has left. Only its owner may read it.
 */
export function openTraceFile(path: string, options: TraceFileOptions): TraceFile {
  const { now, onTrouble, maximumBytes = usualBytes } = options
  let waiting: TraceRecord[] = []
  let lost = 0
  let current: OpenTrace | undefined
  let hasEnded = false
  let flushing: Promise<void> = Promise.resolve()
  let timer: NodeJS.Timeout | undefined

  const put = async (records: readonly TraceRecord[], missing: number): Promise<void> => {
    if (current !== undefined && current.bytes >= maximumBytes) {
      await current.file.close()
      current = undefined
    }
    current ??= await begin(path, now())
    const { file, format } = current
    const text = (missing > 0 ? format.lost(missing) : '') + records.map((record) => format.lines(record)).join('')
    current.bytes += (await file.write(text)).bytesWritten
  }
  const flush = async (): Promise<void> => {
    const records = waiting
    const missing = lost
    waiting = []
    lost = 0
    try {
      for (let at = 0; at < records.length; at += recordsAtOnce) await put(records.slice(at, at + recordsAtOnce), 0)
      // Those that came when no more could wait.
      if (missing > 0) await put([], missing)
    } catch (error) {
      hasEnded = true
      onTrouble(error instanceof Error ? error.message : String(error))
    }
  }
  const flushInTurn = (): void => {
    timer = undefined
    flushing = flushing.then(() => (hasEnded ? undefined : flush()))
  }
  return {
    write(record) {
      if (hasEnded) return
      if (waiting.length < mostWaiting) waiting.push(record)
      else lost += 1
      timer ??= setTimeout(flushInTurn, flushMs)
    },
    async [Symbol.asyncDispose]() {
      clearTimeout(timer)
      flushInTurn()
      await flushing
      hasEnded = true
      await current?.file.close()
    },
  }
}

type OpenTrace = { readonly file: FileHandle; readonly format: TraceFormat; bytes: number }

async function begin(path: string, { at, atMs }: ReturnType<TraceFileOptions['now']>): Promise<OpenTrace> {
  const isThere = await lstat(path).then(
    () => true,
    () => false,
  )
  if (isThere) await rename(path, `${path}.1`)
  const file = await open(path, 'wx', 0o600)
  const { bytesWritten } = await file.write(traceHead(at, atMs))
  return { file, format: new TraceFormat(), bytes: bytesWritten }
}
