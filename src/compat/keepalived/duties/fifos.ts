/** Named pipes of a keepalived.conf: made where they are not, written a line at a time, and read by whoever wants to. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { closeSync, constants, openSync, rmSync, statSync, writeSync } from 'node:fs'
import { describeError } from '../../../errors.ts'
import type { Fifo } from './plan.ts'

type Log = (message: string) => void

type OpenFifos = Disposable & { write(of: 'vrrp' | 'lvs', text: string): void }

type OpenFifo = Fifo & { readonly fd: number; readonly isMade: boolean; readonly reader: ChildProcess | undefined }

/** What cannot be had is said, and passed over. */
export function openFifos(fifos: readonly Fifo[], log: Log): OpenFifos {
  const open = fifos.flatMap((fifo) => openOne(fifo, log) ?? [])
  return {
    write(of, text) {
      for (const fifo of open) if (fifo.of === 'all' || fifo.of === of) writeLine(fifo, text, log)
    },
    [Symbol.dispose]() {
      for (const { fd, path, isMade, reader } of open) {
        closeSync(fd)
        if (isMade) rmSync(path, { force: true })
        reader?.kill('SIGTERM')
      }
    },
  }
}

function openOne(fifo: Fifo, log: Log): OpenFifo | undefined {
  const { path, script } = fifo
  try {
    const found = statSync(path, { throwIfNoEntry: false })
    if (found !== undefined && !found.isFIFO()) throw new Error(`${path} exists, and is no named pipe`)
    if (found === undefined) execFileSync('mkfifo', ['-m', '0600', path], { stdio: 'pipe' })
    // Also for reading: it can be opened before anybody reads, and nobody's end ends it.
    const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK)
    const [program, ...words] = script ?? []
    const reader = program === undefined ? undefined : spawn(program, [...words, path], { stdio: 'ignore' })
    reader?.once('error', (error) => log(`the reader of ${path} cannot be started: ${error.message}`))
    return { ...fifo, fd, isMade: found === undefined, reader }
  } catch (error) {
    log(`Unable to open notify fifo ${path}: ${describeError(error)}`)
    return undefined
  }
}

function writeLine({ fd, path }: OpenFifo, text: string, log: Log): void {
  try {
    writeSync(fd, `${text}\n`)
  } catch (error) {
    // EAGAIN: nobody reads it, and it is full.
    log(`notify fifo ${path}: ${describeError(error)}: ${text} is lost`)
  }
}
