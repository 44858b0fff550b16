/**
 * Runs a service's fallback command: with `start` when no server is usable any more, with `stop` when one is. For one
 * service one after the other; what changed back meanwhile is not run. Nobody waits for it.
 */
import { deadline, type Timing } from '../health/timing.ts'
import { type ServiceId, serviceKey } from '../lvs/service.ts'
import type { Intent } from './schemas.ts'
import type { RunLine } from './shell-line.ts'
import type { Table, TableEntry } from './table.ts'

type Word = 'start' | 'stop'

export type CommandRun = {
  readonly cluster: string
  readonly service: string
  /** All of it, as it was run. */
  readonly command: string
  /** How it went wrong. */
  readonly failure: string | undefined
}

export type FallbackCommandOptions = {
  readonly run: RunLine
  readonly timing: Timing
  readonly onRun: (run: CommandRun) => void
  /** The daemon before this one crashed, and nobody knows its last word: the first is said whatever it is. */
  readonly isUnsure: boolean
}

export type FallbackCommands = AsyncDisposable & {
  /** The table as it is now. */
  see(intent: Intent, table: Table): void
}

/** More than these wait for their turn. */
const mostAtOnce = 16
const patienceMs = 30_000
/** All that is still to be said when the director ends: its supervisor would not wait for longer. */
const closingMs = 5_000

type Command = {
  readonly cluster: string
  readonly service: string
  readonly line: string
  /** The service's key. */
  readonly id: string
  /** Address and protocol. */
  readonly args: readonly string[]
}

type Commanded = Command & {
  /** What it is to hear, and what it has heard. */
  wanted: Word
  said: Word | undefined
  isWaiting: boolean
  /** A daemon before this one may have said something. */
  readonly isUnsure: boolean
}

export function fallbackCommands({ run, timing, onRun, isUnsure }: FallbackCommandOptions): FallbackCommands {
  /** By service and line: another line is another command, and the one before hears `stop`. */
  const commands = new Map<string, Commanded>()
  const queue: Commanded[] = []
  const running = new Set<Promise<void>>()
  /** Services whose command runs. */
  const busy = new Set<string>()
  /** What was there when this daemon began. */
  let early: ReadonlySet<string> | undefined
  /** Aborts when the director ends, and `stop` has had its time. */
  const over = new AbortController()

  const runOne = async ({ cluster, service, line, args }: Commanded, word: Word): Promise<void> => {
    using limit = deadline(timing, over.signal, patienceMs)
    const environment = { BATON_CLUSTER: cluster, BATON_SERVICE: service }
    const failure = await run({ line, args: [word, ...args], environment }, limit.signal)
    onRun({ cluster, service, command: [line, word, ...args].join(' '), failure })
  }
  const begin = (): void => {
    for (let at = 0; at < queue.length && running.size < mostAtOnce; ) {
      const one = queue[at]
      if (one === undefined || busy.has(one.id)) {
        at += 1
        continue
      }
      queue.splice(at, 1)
      one.isWaiting = false
      const { wanted, said, id } = one
      // Where nobody has said `start` there is nothing to take back.
      if (wanted === said || (wanted === 'stop' && said === undefined && !one.isUnsure)) {
        one.said = wanted
        continue
      }
      one.said = wanted
      busy.add(id)
      const run = runOne(one, wanted).finally(() => {
        running.delete(run)
        busy.delete(id)
        begin()
      })
      running.add(run)
    }
  }
  const want = (one: Commanded, word: Word): void => {
    one.wanted = word
    if (one.said === word || one.isWaiting) return
    one.isWaiting = true
    queue.push(one)
  }
  const end = (key: string, one: Commanded): void => {
    commands.delete(key)
    if (one.said !== undefined || one.isWaiting) want(one, 'stop')
  }
  return {
    see({ clusters }, table) {
      const wanted = wantedCommands(clusters)
      // Of one service the command before hears its end first.
      for (const [key, one] of commands) if (!wanted.has(key)) end(key, one)
      for (const [key, command] of wanted) {
        const word = wordOf(table.get(command.id))
        if (word === undefined) continue
        const mayHaveHeard = isUnsure && early?.has(key) !== false
        const one = commands.get(key) ?? { ...command, ...unsaid, isUnsure: mayHaveHeard }
        commands.set(key, one)
        want(one, word)
      }
      early ??= new Set(wanted.keys())
      begin()
    },
    async [Symbol.asyncDispose]() {
      for (const [key, one] of commands) end(key, one)
      begin()
      const closed = new AbortController()
      void timing.sleep(closingMs, closed.signal).then(() => over.abort())
      while (running.size > 0) await Promise.all(running)
      closed.abort()
    },
  }
}

function wantedCommands(clusters: Intent['clusters']): ReadonlyMap<string, Command> {
  const wanted = new Map<string, Command>()
  for (const { cluster, services } of clusters)
    for (const { name, service, fallbackCommand } of services) {
      if (fallbackCommand === undefined) continue
      const id = serviceKey(service.id)
      const args = argumentsOf(service.id)
      wanted.set(JSON.stringify([id, fallbackCommand]), { cluster, service: name, line: fallbackCommand, id, args })
    }
  return wanted
}

/** undefined: while some servers were not asked yet and nobody serves, it is not known whether any is usable. */
function wordOf(entry: TableEntry | undefined): Word | undefined {
  if (entry === undefined) return undefined
  if (entry.state === 'served' || entry.state === 'panic') return 'stop'
  return entry.isUndecided ? undefined : 'start'
}

const unsaid: Pick<Commanded, 'wanted' | 'said' | 'isWaiting'> = { wanted: 'stop', said: undefined, isWaiting: false }

/** As ldirectord says which service it is: a firewall mark has no address, and is `:0 fwm`. */
function argumentsOf(id: ServiceId): readonly string[] {
  switch (id.kind) {
    case 'address':
      return [`${bracketed(id.address)}:${id.port}`, id.protocol]
    case 'dns':
      return [`${bracketed(id.address)}:${id.port}`, 'dns']
    case 'fwmark':
      return [':0', 'fwm']
    case 'pool':
      return [id.name, 'pool']
  }
}

function bracketed(address: string): string {
  return address.includes(':') ? `[${address}]` : address
}
