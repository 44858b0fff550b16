/** Where `keepalived` begins: the words as they were typed, nobody else's options. */
import { writeFileSync } from 'node:fs'
import { errorMessage } from '../../engines/thread-messages.ts'
import { exitCodeOf, type Finding } from '../../formats/keepalived/finding.ts'
import { version } from '../../version.ts'
import { type KeepalivedCall, readCall, signals } from './arguments.ts'
import { parseHere, readMain } from './file.ts'
import { helpText } from './help.ts'

type Call<K extends KeepalivedCall['kind']> = Extract<KeepalivedCall, { readonly kind: K }>

/** Runs to its end; the process ends with its exit code. */
export function runKeepalivedFront(words: readonly string[]): void {
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
      process.stderr.write(`Keepalived v2.2.7, as Baton ${version} reads its files\n`)
      return
    case 'signal':
      process.exitCode = printSignal(call.name)
      return
    case 'test':
      process.exitCode = test(call)
      return
    case 'start':
      process.stderr.write(
        `baton keepalived checks files (-t) and starts nothing: baton director --config ${call.file} serves the virtual servers of one\n`,
      )
      process.exitCode = 1
  }
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
