/** Who is told by a keepalived, or by Baton in its place: a named pipe that is read, and a program that writes down how it was called. */
import { execFileSync } from 'node:child_process'
import { closeSync, constants, openSync, readFileSync, readSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { until } from '../ha/world.ts'

const waitMs = 60_000

export type Told = Disposable & {
  /** All lines of the pipe until now. */
  lines(): readonly string[]
  /** Waits until a line was read so many times. */
  hear(line: string, times: number): Promise<void>
  /** How the program was called until now: each word in angle brackets. */
  calls(): readonly string[]
}

/** `fifo` and `told.sh` in the folder. */
export function openTold(directory: string): Told {
  const [fifo, written] = [join(directory, 'fifo'), join(directory, 'calls')]
  // Commands run at the same time: each line is written in one go.
  const script = `#!/bin/sh\nline=\nfor word; do line="$line<$word>"; done\necho "$line" >>${written}\n`
  writeFileSync(join(directory, 'told.sh'), script, { mode: 0o755 })
  writeFileSync(written, '')
  execFileSync('mkfifo', [fifo])
  const fd = openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK)
  const heard: string[] = []
  const lines = (): readonly string[] => {
    heard.push(...readAll(fd).split('\n').filter(Boolean))
    return heard
  }
  return {
    lines,
    async hear(line, times) {
      await until(line, async () => lines().filter((one) => one === line).length >= times, waitMs)
    },
    calls: () => readFileSync(written, 'utf8').split('\n').filter(Boolean),
    [Symbol.dispose]: () => closeSync(fd),
  }
}

/** What each instance and group was said to have become, in order. */
export function byWhom(lines: readonly string[]): Readonly<Record<string, readonly string[]>> {
  const told: Record<string, string[]> = {}
  for (const line of lines) {
    const [, who = '', what = ''] = /^(\S+ "[^"]+") (.*)$/.exec(line) ?? []
    told[who] = [...(told[who] ?? []), what]
  }
  return told
}

function readAll(fd: number): string {
  const buffer = Buffer.alloc(65_536)
  try {
    return buffer.subarray(0, readSync(fd, buffer)).toString()
  } catch {
    return '' // EAGAIN: nothing is there
  }
}
