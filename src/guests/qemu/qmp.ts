/** A conversation with one QEMU over its control socket. Connect, ask, close: the socket serves one client at a time. */
import type { Duplex } from 'node:stream'
import { InfraError } from '../../errors.ts'
import type { Host } from '../../hosts/host.ts'
import { emptyBuffer, encodeCommand, feed, type QmpMessage } from '../../wire/qmp.ts'

export type Qmp = AsyncDisposable & {
  /** @throws InfraError `failed` with QEMU's words; `unreachable` when it ends in the middle. */
  execute(command: string, args?: Readonly<Record<string, unknown>>): Promise<unknown>
  /** A command of the human monitor, for the few things that QMP does not have. */
  monitor(line: string): Promise<string>
}

/** Longer than any answer takes that is not lost. */
const answerMs = 10_000

/**
 * @throws InfraError `not-found`/`unreachable` when no QEMU listens there; `timeout` while another client holds it.
 */
export async function openQmp(host: Host, path: string, options: { readonly signal: AbortSignal }): Promise<Qmp> {
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout(answerMs)])
  const stream = await host.connect(path, { signal })
  const reader = messageReader(stream, path, options.signal)
  let nextId = 1
  const execute: Qmp['execute'] = async (command, args) => {
    const id = nextId++
    stream.write(encodeCommand(id, command, args))
    for (;;) {
      const message = await reader.next(command)
      if (message.kind === 'return' && message.id === id) return message.value
      if (message.kind === 'error' && message.id === id)
        throw new InfraError('failed', `${command}: ${message.description}`, { subject: path })
    }
  }
  try {
    while ((await reader.next('greeting')).kind !== 'greeting');
    await execute('qmp_capabilities')
  } catch (error) {
    stream.destroy()
    throw error
  }
  return {
    execute,
    monitor: async (line) => String(await execute('human-monitor-command', { 'command-line': line })),
    [Symbol.asyncDispose]: async () => void stream.destroy(),
  }
}

/** One reader at a time; what comes unasked waits in order. */
function messageReader(
  stream: Duplex,
  path: string,
  signal: AbortSignal,
): { next: (what: string) => Promise<QmpMessage> } {
  let buffer = emptyBuffer
  const ready: QmpMessage[] = []
  let failure: Error | undefined
  let wake = (): void => {}
  stream.setEncoding('utf8')
  stream.on('data', (chunk: string) => {
    try {
      const fed = feed(buffer, chunk)
      buffer = fed.buffer
      ready.push(...fed.messages.filter(({ kind }) => kind !== 'event'))
    } catch (error) {
      failure = new InfraError('failed', `${path} does not speak QMP`, { subject: path, cause: error })
    }
    wake()
  })
  const ended = (): void => {
    failure ??= new InfraError('unreachable', `QEMU closed ${path}`, { subject: path })
    wake()
  }
  stream.on('error', ended).on('close', ended).on('end', ended)
  return {
    async next(what) {
      const deadline = AbortSignal.any([signal, AbortSignal.timeout(answerMs)])
      for (;;) {
        const message = ready.shift()
        if (message !== undefined) return message
        if (failure !== undefined) throw failure
        if (deadline.aborted)
          throw new InfraError(signal.aborted ? 'cancelled' : 'timeout', `${what}: no answer from QEMU`, {
            subject: path,
            retryable: true,
          })
        await new Promise<void>((resolve) => {
          wake = resolve
          deadline.addEventListener('abort', () => resolve(), { once: true })
        })
      }
    },
  }
}
