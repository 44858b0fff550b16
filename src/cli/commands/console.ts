/** `baton console`: the serial console of a guest, until Ctrl-] or the guest's end. */
import type { Duplex } from 'node:stream'
import type { Command } from 'commander'
import { within } from '../../deadline.ts'
import { InfraError } from '../../errors.ts'
import { type Context, runAction } from '../action.ts'
import { askMs } from '../deadline-options.ts'
import { findGuest, openMachine } from '../local/machine.ts'
import { splitAtEscape } from '../terminal/escape.ts'

const logBytes = 8 * 1024

export function register(program: Command): void {
  program
    .command('console')
    .description("a guest's serial console; Ctrl-] leaves it")
    .argument('<guest>', 'a name as `baton list` shows it')
    .option('--log', 'only print what the console said so far')
    .option('--bytes <number>', 'how much of the log to show', Number, logBytes)
    .action((name: string, options: { readonly log?: true; readonly bytes: number }) =>
      runAction(async (context) => {
        await using machine = await openMachine({ signal: within(context.signal, askMs) })
        const { hypervisor } = await findGuest(machine, name, { signal: within(context.signal, askMs) })
        const ask = { signal: within(context.signal, askMs) }
        const log = (): Promise<string> => hypervisor.consoleLog(name, { ...ask, maxBytes: options.bytes })
        if (options.log === true) {
          process.stdout.write(await log())
          return undefined
        }
        if (!Number.isSafeInteger(options.bytes) || options.bytes < 0)
          throw new InfraError('invalid', 'console: --bytes wants a number of bytes', { subject: name })
        const stream = await hypervisor.console(name, { signal: context.signal })
        process.stdout.write(await log())
        await converse(stream, name, context)
        return undefined
      }),
    )
}

/** Joins the terminal and the guest. In raw mode every key but Ctrl-] is the guest's, Ctrl-C too. */
async function converse(stream: Duplex, name: string, { signal, output }: Context): Promise<void> {
  const { stdin, stdout } = process
  const isRaw = stdin.isTTY
  const restore = (): void => {
    if (isRaw) stdin.setRawMode(false)
  }
  process.on('exit', restore)
  if (isRaw) stdin.setRawMode(true)
  output.note([`baton: console of ${name}; Ctrl-] leaves it`])
  try {
    const reason = await new Promise<string>((resolve, reject) => {
      const onInput = (data: Buffer): void => {
        const { before, escaped } = isRaw ? splitAtEscape(data) : { before: data, escaped: false }
        if (before.length > 0 && !stream.write(before)) {
          stdin.pause()
          stream.once('drain', () => stdin.resume())
        }
        if (escaped) resolve(`left the console of ${name}; it runs on`)
      }
      stdin.on('data', onInput)
      if (!isRaw) stdin.once('end', () => stream.end())
      stream.on('data', (data: Buffer) => {
        if (stdout.write(data)) return
        stream.pause()
        stdout.once('drain', () => stream.resume())
      })
      stream.once('close', () => resolve(`the console of ${name} was closed`))
      stream.once('error', reject)
      signal.addEventListener('abort', () => resolve('stopped'), { once: true })
    })
    restore()
    output.note(['', `baton: ${reason}`])
  } finally {
    restore()
    process.removeListener('exit', restore)
    stdin.pause()
    stdin.removeAllListeners('data')
    stream.destroy()
  }
}
