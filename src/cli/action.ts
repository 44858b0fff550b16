/** How every command runs: with a signal that Ctrl-C ends, its errors said, and its exit code set. */
import { Bug, InfraError } from '../errors.ts'
import { type ExitCode, exitCodes } from './exit-codes.ts'
import { errorLines, type Output, streamOutput } from './output.ts'

export type Context = { readonly signal: AbortSignal; readonly output: Output }

/** How long something that is still open may keep the process after the command has ended. */
const lingerMs = 2000

/** A command that gives no code back has succeeded. */
export async function runAction(body: (context: Context) => Promise<ExitCode | undefined>): Promise<void> {
  const output = streamOutput(process.stdout, process.stderr, process.env)
  process.stdout.on('error', endWithReader)
  const interrupt = interruptSignal(() => output.note(['baton: stopping; Ctrl-C again to stop at once']))
  try {
    process.exitCode = (await body({ signal: interrupt.signal, output })) ?? exitCodes.ok
  } catch (error) {
    process.exitCode = interrupt.signal.aborted ? exitCodes.interrupted : exitCodes.failed
    output.note(interrupt.signal.aborted && !(error instanceof Bug) ? ['baton: stopped'] : errorLines(error))
  } finally {
    interrupt.release()
    setTimeout(() => process.exit(), lingerMs).unref()
  }
}

/** The first Ctrl-C (or SIGTERM, SIGHUP) asks, the second ends the process there and then. */
function interruptSignal(onFirst: () => void): { readonly signal: AbortSignal; release(): void } {
  const controller = new AbortController()
  const names = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  const onSignal = (name: NodeJS.Signals): void => {
    if (controller.signal.aborted) process.exit(exitCodes.interrupted)
    if (name === 'SIGINT') onFirst()
    controller.abort(new InfraError('cancelled', `stopped by ${name}`, { subject: name }))
  }
  for (const name of names) process.on(name, onSignal)
  return {
    signal: controller.signal,
    release: () => {
      for (const name of names) process.removeListener(name, onSignal)
    },
  }
}

/** `baton list | head`: who has read enough closes the pipe, which is no failure; nor is a terminal that was closed. */
function endWithReader(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE' && error.code !== 'EIO') throw error
  process.exit()
}
