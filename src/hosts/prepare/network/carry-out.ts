/** A guarded change carried out: ordered over one connection, confirmed over another that is opened under the new set-up. */
import { setTimeout as sleep } from 'node:timers/promises'
import { within } from '../../../deadline.ts'
import { InfraError, isInfraError } from '../../../errors.ts'
import type { CallOptions, Host } from '../../host.ts'
import type { Guarded } from '../step.ts'
import { carriesScript, commandSeconds, guardScript } from './guard.ts'

export type Reconnect = (options: CallOptions) => Promise<Host & Partial<AsyncDisposable>>

const directoryOf = ({ directories }: Host): string => `${directories.state}/network`

/** One attempt to connect and to ask: with little patience several of them fit in, with much a slow host comes through. */
const attemptMs = (patienceSeconds: number): number => Math.max(15_000, patienceSeconds * 250)

/**
 * Resolves to a host over the new way. @throws InfraError `failed` when the host has put all back, with the reason; `busy` while
 * another change is under way; `unreachable` when the host was not seen again at all.
 */
export async function changeNetwork(
  host: Host,
  change: Guarded,
  {
    signal,
    patienceSeconds,
    reconnect,
  }: CallOptions & { readonly patienceSeconds: number; readonly reconnect: Reconnect },
): Promise<Host> {
  const directory = directoryOf(host)
  await layOut(host, directory, change, patienceSeconds, { signal })
  await host.spawn(['sh', `${directory}/guard.sh`], { signal, logFile: `${directory}/log` })
  const wholeMs = (patienceSeconds + commandSeconds * (change.leave.length + change.enter.length)) * 1000 + 120_000
  const limit = within(signal, wholeMs)
  let last: unknown
  while (!limit.aborted) {
    const found = await attempt(directory, change, reconnect, within(limit, attemptMs(patienceSeconds))).catch(
      (error: unknown) => {
        last = error
        return undefined
      },
    )
    if (found !== undefined && 'host' in found) return found.host
    if (found !== undefined && 'undone' in found)
      throw new InfraError('failed', `${change.bridge} was taken back: ${found.undone}`, {
        subject: host.name,
        hint: `the network is as it was; what the commands said is in ${directory}/log there`,
      })
    await sleep(1000, undefined, { signal: limit }).catch(() => undefined)
  }
  throw new InfraError('unreachable', `${host.name} was not seen again after its network was changed`, {
    subject: host.name,
    cause: last,
    hint: `it puts back by itself what was changed; see ${directory}/log from its console`,
  })
}

/** A new connection each time: the one that the change was ordered over may stand for long without a way. */
async function attempt(
  directory: string,
  { bridge, uplink }: Guarded,
  reconnect: Reconnect,
  signal: AbortSignal,
): Promise<{ readonly host: Host } | { readonly undone: string } | undefined> {
  const host = await reconnect({ signal })
  let isKept = false
  try {
    const state = await readState(host, directory, { signal })
    if (state?.startsWith('undone ')) return { undone: state.slice('undone '.length) }
    if (
      state === 'waiting' &&
      (await host.run(['sh', '-c', carriesScript, 'sh', bridge, uplink], { signal })).code === 0
    )
      await host.writeFile(`${directory}/keep`, '', { signal })
    isKept = state === 'kept'
    return isKept ? { host } : undefined
  } finally {
    if (!isKept) await host[Symbol.asyncDispose]?.()
  }
}

async function readState(host: Host, directory: string, options: CallOptions): Promise<string | undefined> {
  const bytes = await host.readFile(`${directory}/state`, options)
  return bytes === undefined ? undefined : new TextDecoder().decode(bytes).trim()
}

async function layOut(
  host: Host,
  directory: string,
  change: Guarded,
  patience: number,
  options: CallOptions,
): Promise<void> {
  const state = await readState(host, directory, options)
  if (state === 'changing' || state === 'waiting' || state === 'restoring') await mustBeOver(host, directory, options)
  await host.remove(directory, options)
  await host.makeDirectory(directory, { ...options, mode: 0o700 })
  for (const [index, { path, before, after }] of change.files.entries()) {
    const now = new TextDecoder().decode((await host.readFile(path, options)) ?? new Uint8Array())
    if (now !== before)
      throw new InfraError('busy', `${path} has changed since it was looked at`, {
        subject: path,
        hint: 'run this again',
      })
    await host.writeFile(`${directory}/new.${index}`, after, options)
    if (before !== '') await host.writeFile(`${directory}/old.${index}`, before, options)
  }
  await host.writeFile(`${directory}/guard.sh`, guardScript(directory, change, patience), options)
}

/** A change that a reboot has ended has left its state behind. */
async function mustBeOver(host: Host, directory: string, options: CallOptions): Promise<void> {
  const { code } = await host.run(['pgrep', '-f', `^sh ${directory}/guard.sh$`], options).catch((error: unknown) => {
    if (isInfraError(error, 'missing-tool')) return { code: 1 }
    throw error
  })
  if (code !== 0) return
  throw new InfraError('busy', 'another change of the network is under way', {
    subject: host.name,
    hint: 'it ends by itself within minutes: run this again',
  })
}
