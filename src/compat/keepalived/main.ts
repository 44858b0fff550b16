/** Where `keepalived` begins: the words as they were typed, nobody else's options. */
import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { errorMessage } from '../../engines/thread-messages.ts'
import { exitCodeOf, type Finding } from '../../formats/keepalived/finding.ts'
import { version } from '../../version.ts'
import { ownProgram } from '../own-program.ts'
import { tellManager } from '../tell-manager.ts'
import { type KeepalivedCall, readCall, signals } from './arguments.ts'
import { parseHere, readMain } from './file.ts'
import { helpText } from './help.ts'
import { runDaemon } from './program/daemon.ts'

type Call<K extends KeepalivedCall['kind']> = Extract<KeepalivedCall, { readonly kind: K }>

/** Runs to its end; the process ends with its exit code. */
export async function runKeepalivedFront(words: readonly string[]): Promise<void> {
  const [first = '', ...rest] = words
  // keepalived is genhash, too.
  if (first === '-T' || first === '--genhash') {
    const { runGenhashFront } = await import('../genhash/main.ts')
    return await runGenhashFront(rest)
  }
  const call = readCall(words)
  switch (call.kind) {
    case 'wrong':
      process.stderr.write(`${call.message}\n`)
      process.exitCode = 1
      return
    case 'help':
      process.stdout.write(helpText)
      return
    case 'version':
      process.stderr.write(`Keepalived ${programVersion}\n`)
      return
    case 'signal':
      process.exitCode = printSignal(call.name)
      return
    case 'test':
      process.exitCode = test(call)
      return
    case 'start':
      // Nothing that a library left open may keep a program that has ended.
      process.exit(await start(call, words))
  }
}

const programVersion = `v2.2.7, as Baton ${version} does its work`

/** In the background, as keepalived does it: whoever started it does not wait. Resolves to the exit code. */
async function start(call: Call<'start'>, words: readonly string[]): Promise<number> {
  const { NOTIFY_SOCKET: manager } = process.env
  delete process.env['NOTIFY_SOCKET']
  if (!call.isForeground) {
    const [program = '', ...more] = [...ownProgram(), 'keepalived', '--dont-fork', ...words]
    spawn(program, more, { detached: true, stdio: 'ignore' }).unref()
    return 0
  }
  const err = (text: string): void => void process.stderr.write(text)
  return await runDaemon({
    start: call,
    version: programVersion,
    baton: ownProgram(),
    environment: process.env,
    err,
    onReady: () => void tellManager(manager, err),
  })
}

function printSignal(name: string): number {
  const number = signals[name]
  if (number === undefined) {
    process.stderr.write(`Unknown sigfunc ${name}\n`)
    return 1
  }
  process.stdout.write(`${number}\n`)
  return 0
}

/** One finding in a line, as keepalived writes it to its console. */
export function formatFinding({ place, message }: Finding): string {
  return place === undefined ? message : `(${place.file}: Line ${place.line}) ${message}`
}

function test({ file, logFile, ...options }: Call<'test'>): number {
  const { lines, code } = tested(file, options)
  const text = lines.map((line) => `${line}\n`).join('')
  if (logFile === undefined) process.stderr.write(text)
  else writeFileSync(logFile, text)
  return code
}

function tested(
  file: string,
  options: Omit<Call<'test'>, 'kind' | 'file' | 'logFile'>,
): { readonly lines: readonly string[]; readonly code: number } {
  try {
    const main = readMain(file)
    // keepalived ends well then, too: its other files may say it all.
    if (main === undefined) return { lines: [`Config files missing '${file}'.`], code: 0 }
    const { findings } = parseHere(main, options)
    return { lines: findings.map(formatFinding), code: exitCodeOf(findings) }
  } catch (error) {
    return { lines: [errorMessage(error).message], code: 4 }
  }
}
