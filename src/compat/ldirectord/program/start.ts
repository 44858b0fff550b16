/** Starting the daemon: in the background, with whoever asked waiting until it serves, and hearing why when it does not. */
import { spawn } from 'node:child_process'
import type { Instance } from './instance.ts'

/** In which environment variable the process in the background learns that it is the daemon, and of which instance. */
export const daemonVariable = 'BATON_LDIRECTORD_DAEMON'

/** What the daemon tells whoever started it. */
export type Told = { readonly err: string } | { readonly ready: true }

/** Longer than anything that it waits for by itself. */
const startMs = 150_000
const failed = 1

/** Resolves to the exit code. `command` is the call itself: it stays the daemon's command line. */
export async function startInBackground(
  command: readonly string[],
  instance: Instance,
  err: (text: string) => void,
): Promise<number> {
  const [program = '', ...words] = command
  const child = spawn(program, words, {
    detached: true,
    cwd: '/',
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    env: { ...process.env, [daemonVariable]: JSON.stringify(instance) },
  })
  const endChild = (): void => void child.kill('SIGTERM')
  const late = setTimeout(() => {
    err(`ldirectord for ${instance.shown} did not start within ${startMs / 1000} s\n`)
    endChild()
  }, startMs)
  process.once('SIGINT', endChild).once('SIGTERM', endChild)
  try {
    return await new Promise<number>((resolve) => {
      child.on('message', (told: Told) => {
        if ('err' in told) err(told.err)
        else resolve(0)
      })
      child.once('error', (error) => {
        err(`${error.message}\n`)
        resolve(failed)
      })
      child.once('exit', (code) => resolve(code ?? failed))
    })
  } finally {
    clearTimeout(late)
    process.off('SIGINT', endChild).off('SIGTERM', endChild)
    if (child.connected) child.disconnect()
    child.unref()
  }
}

/** The instance, in the daemon; nobody that it starts is to learn of it. */
export function takeDaemonInstance(environment: NodeJS.ProcessEnv): Instance | undefined {
  const written = environment[daemonVariable]
  delete environment[daemonVariable]
  return written === undefined ? undefined : (JSON.parse(written) as Instance)
}

/** To whoever started us, if he still waits. */
export function tellStarter(told: Told): void {
  if (process.connected && process.send !== undefined) process.send(told)
}
