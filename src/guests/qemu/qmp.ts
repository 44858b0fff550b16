/** A conversation with one QEMU over its control socket. Connect, ask, close: the socket serves one client at a time. */
import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { within } from '../../deadline.ts'
import { InfraError, isInfraError } from '../../errors.ts'
import type { Host } from '../../hosts/host.ts'
import { abortError } from '../../hosts/local/failures.ts'
import { emptyBuffer, encodeCommand, feed, type QmpMessage } from '../../wire/qmp.ts'

export type Qmp = {
  /** @throws InfraError `failed` with QEMU's words; `unreachable` when it ends in the middle; `timeout`. */
  execute(command: string, args?: Readonly<Record<string, unknown>>): Promise<unknown>
  /** A command of the human monitor, for the few things that QMP does not have. */
  monitor(line: string): Promise<string>
}

export type QmpOptions = {
  readonly signal: AbortSignal
  /** How long to wait for a QEMU that does not answer: it starts, serves another client, or hangs. */
  readonly patienceMs?: number
}

/** Longer than anything takes that is not lost. */
const defaultPatienceMs = 15_000
/** Answers that nobody asked for: what says more is not QEMU. */
const maxWaiting = 100

/** @throws InfraError `unreachable`/`not-found` when no QEMU listens there; `timeout` when it does not answer. */
export async function withQmp<T>(
  host: Host,
  path: string,
  { signal, patienceMs = defaultPatienceMs }: QmpOptions,
  use: (qmp: Qmp) => Promise<T>,
): Promise<T> {
  const limit = within(signal, patienceMs)
  const stream = await connectInTurn(host, path, limit)
  const conversation = converse(stream, path, limit)
  try {
    await conversation.greet()
    return await use(conversation)
  } finally {
    stream.destroy()
  }
}

/** QEMU accepts one client, and two may wait; whoever comes then is told `busy`. */
async function connectInTurn(host: Host, path: string, signal: AbortSignal): Promise<Duplex> {
  for (let waitMs = 2; ; waitMs = Math.min(waitMs * 2, 50)) {
    try {
      return await host.connect(path, { signal })
    } catch (error) {
      if (!isInfraError(error, 'busy')) throw error
      await sleep(waitMs, undefined, { signal }).catch(() => {
        throw abortError(signal, `connect to ${path}`, path)
      })
    }
  }
}

function converse(stream: Duplex, path: string, signal: AbortSignal): Qmp & { greet(): Promise<void> } {
  const next = messageReader(stream, path, signal)
  let nextId = 1
  const execute: Qmp['execute'] = async (command, args) => {
    const id = nextId++
    if (!stream.destroyed) stream.write(encodeCommand(id, command, args))
    for (;;) {
      const message = await next(command)
      if (message.kind === 'return' && message.id === id) return message.value
      if (message.kind === 'error' && message.id === id)
        throw new InfraError('failed', `${command}: ${message.description}`, { subject: path })
    }
  }
  return {
    execute,
    monitor: async (line) => String(await execute('human-monitor-command', { 'command-line': line })),
    async greet() {
      while ((await next('greeting')).kind !== 'greeting');
      await execute('qmp_capabilities')
    },
  }
}

/** Gives the next message that is not an event; what comes unasked waits in order. One caller at a time. */
function messageReader(stream: Duplex, path: string, signal: AbortSignal): (what: string) => Promise<QmpMessage> {
  let buffer = emptyBuffer
  const ready: QmpMessage[] = []
  let failure: Error | undefined
  let wake = (): void => {}
  const fail = (error: InfraError): void => {
    failure ??= error
    wake()
  }
  const noQmp = (cause?: unknown): InfraError =>
    new InfraError('failed', `${path} does not speak QMP`, { subject: path, cause })
  stream.setEncoding('utf8')
  stream.on('data', (chunk: string) => {
    if (failure !== undefined) return
    try {
      const fed = feed(buffer, chunk)
      buffer = fed.buffer
      ready.push(...fed.messages.filter(({ kind }) => kind !== 'event'))
    } catch (error) {
      return fail(noQmp(error))
    }
    if (ready.length > maxWaiting) fail(noQmp())
    wake()
  })
  const ended = (): void => fail(new InfraError('unreachable', `QEMU closed ${path}`, { subject: path }))
  stream.on('error', ended).on('close', ended).on('end', ended)
  signal.addEventListener('abort', () => wake(), { once: true })
  return async (what) => {
    for (;;) {
      const message = ready.shift()
      if (message !== undefined) return message
      if (failure !== undefined) throw failure
      if (signal.aborted) throw abortError(signal, `ask QEMU ${what}`, path)
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
  }
}
