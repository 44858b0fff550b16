/** Where `ldirectord` begins: the words as they were typed, nobody else's options. */
import { spawn } from 'node:child_process'
import { basename } from 'node:path'
import { signalProcess } from '../../../hosts/local/processes.ts'
import { ownProgram } from '../../own-program.ts'
import { tellManager } from '../../tell-manager.ts'
import { type DaemonMode, runDaemon } from './daemon.ts'
import { defaultLog, type Instance } from './instance.ts'
import { type ReadFile, readFile } from './read.ts'
import { runLdirectord } from './run.ts'
import { startInBackground, takeDaemonInstance, tellStarter } from './start.ts'

/** Runs to its end; the process ends with its exit code. */
export async function runLdirectordFront(words: readonly string[]): Promise<void> {
  const instance = takeDaemonInstance(process.env)
  const code = instance === undefined ? await asked(words) : await inBackground(instance)
  // Nothing that a library left open may keep a program that has ended.
  process.exit(code)
}

const out = (text: string): void => void process.stdout.write(text)
const err = (text: string): void => void process.stderr.write(text)

function asked(words: readonly string[]): Promise<number> {
  const { NOTIFY_SOCKET: manager } = process.env
  // Nobody that we start is to speak for us.
  delete process.env['NOTIFY_SOCKET']
  return runLdirectord({
    words,
    program: ldirectord()
      .slice(process.execArgv.length + 1)
      .join(' '),
    environment: process.env,
    out,
    err,
    kill: signalProcess,
    askOther: (file) => runHere([...ldirectord(), file, 'status']),
    startInBackground: (instance) => startInBackground([...ldirectord(), ...words], instance, err),
    isManaged: manager !== undefined,
    runInForeground: (instance, read, mode) =>
      served(instance, read, mode, { err, onReady: () => void tellManager(manager, err) }),
  })
}

async function inBackground(instance: Instance): Promise<number> {
  const read = await readFile(instance.path, true)
  return served(instance, read, 'daemon', {
    err: (text) => tellStarter({ err: text }),
    onReady: () => {
      tellStarter({ ready: true })
      if (process.connected) process.disconnect()
    },
  })
}

function served(
  instance: Instance,
  read: ReadFile,
  mode: DaemonMode,
  to: { readonly err: (text: string) => void; readonly onReady: () => void },
): Promise<number> {
  return runDaemon({
    instance,
    read,
    mode,
    defaultLog: defaultLog(process.env),
    ldirectord: ldirectord(),
    baton: ownProgram(),
    environment: process.env,
    out,
    ...to,
  })
}

/** The words that call ldirectord: by its own name, or as `baton ldirectord`. */
function ldirectord(): string[] {
  const script = process.argv[1] ?? 'ldirectord'
  const isByName = basename(script) === 'ldirectord'
  return [process.execPath, ...process.execArgv, script, ...(isByName ? [] : ['ldirectord'])]
}

/** What it says goes where ours goes. */
function runHere([program = '', ...words]: readonly string[]): Promise<void> {
  return new Promise((resolve) => {
    const child = spawn(program, words, { stdio: 'inherit', timeout: otherMs })
    child.once('close', () => resolve()).once('error', () => resolve())
  })
}

const otherMs = 30_000
