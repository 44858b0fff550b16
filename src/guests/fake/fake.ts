/** A hypervisor that only pretends: to try a spec, to test, to teach. Same rules and errors as a real one. */
import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { InfraError } from '../../errors.ts'
import type {
  CallOptions,
  GuestDefinition,
  GuestReach,
  GuestState,
  GuestStatistics,
  Hypervisor,
  HypervisorInfo,
} from '../hypervisor.ts'
import { checkDefinition, type GuestOperation, mustAct, standingDefinition, unknownGuest } from '../lifecycle.ts'
import { withoutSeedContent } from '../seed.ts'
import { watchGuests } from '../watch.ts'
import { type FakeConsoles, fakeConsoles } from './console.ts'
import { type Change, type Counter, type FakeGuest, type FakeStore, memoryStore } from './store.ts'

export type FakeOperation = GuestOperation | 'define' | 'undefine' | 'consoleLog' | 'autostart' | 'list' | 'info'

export type FakeOptions = {
  /** Left out: in memory, gone with the process. */
  readonly store?: FakeStore
  /** Where forwarded ports are "reached": each pretended host has an address of its own. Left out: 127.0.0.1. */
  readonly address?: string
  /** How long a start takes. */
  readonly bootMs?: number
  /** Called before every operation (`guest` is '' for list and info); what it throws is the operation's failure. */
  readonly onCall?: (operation: FakeOperation, guest: string) => void | Promise<void>
}

export type FakeHypervisor = Hypervisor & {
  /** What a guest can do by itself: its process dies, or it powers off. */
  readonly crash: (name: string) => Promise<void>
  readonly powerOff: (name: string) => Promise<void>
}

const info: HypervisorInfo = {
  name: 'fake',
  version: '1',
  acceleration: { kind: 'none', reason: 'guests are only simulated' },
  networks: ['user', 'bridge'],
}
const forever: CallOptions = { signal: new AbortController().signal }
const watchEveryMs = 25

export function fakeHypervisor(options: FakeOptions = {}): FakeHypervisor {
  const store = options.store ?? memoryStore()
  const consoles = fakeConsoles()
  const called = async (operation: FakeOperation, guest: string, signal: AbortSignal): Promise<void> => {
    if (signal.aborted) throw abortError(signal, operation, guest)
    await options.onCall?.(operation, guest)
  }
  /** One life-cycle operation: allowed, then `change` where there is something to do. */
  const operate =
    (
      operation: GuestOperation,
      change: (guest: FakeGuest, counter: Counter) => FakeGuest,
      then?: (name: string) => void,
    ) =>
    async (name: string, { signal }: CallOptions): Promise<void> => {
      await called(operation, name, signal)
      if (operation === 'start') await boot(store, name, options.bootMs ?? 0, signal)
      let acted = false
      const checked: Change = (guest, counter) => {
        if (guest === undefined) throw unknownGuest(name)
        acted = mustAct(operation, name, guest.state)
        return acted ? change(guest, counter) : guest
      }
      await store.update(name, checked, { signal })
      if (acted) then?.(name)
    }
  const list: Hypervisor['list'] = async ({ signal }) => {
    await called('list', '', signal)
    const guests = await Promise.all((await store.names({ signal })).map((name) => store.read(name, { signal })))
    const address = options.address ?? '127.0.0.1'
    return guests.filter((guest) => guest !== undefined).map((guest) => stateOf(guest, address))
  }
  return {
    name: 'fake',
    async info({ signal }) {
      await called('info', '', signal)
      return info
    },
    list,
    async define(definition, { signal }) {
      await called('define', definition.name, signal)
      checkDefinition(definition)
      await store.update(definition.name, (guest, counter) => defined(definition, guest, counter), { signal })
    },
    async undefine(name, { signal }) {
      await called('undefine', name, signal)
      await store.update(name, () => undefined, { signal })
      consoles.forget(name)
    },
    async autostart(name, isWanted, { signal }) {
      await called('autostart', name, signal)
      const change: Change = (guest) => {
        if (guest === undefined) throw unknownGuest(name)
        return { ...guest, definition: { ...guest.definition, autostart: isWanted } }
      }
      await store.update(name, change, { signal })
    },
    start: operate('start', started, (name) => consoles.print(name, `Linux version fake\r\n${name} is up\r\n`)),
    shutdown: operate('shutdown', stopped, consoles.hangUp),
    destroy: operate('destroy', stopped, consoles.hangUp),
    reboot: operate('reboot', rebooted, (name) => consoles.print(name, `reboot\r\n${name} is up\r\n`)),
    pause: operate('pause', (guest) => ({ ...guest, state: 'paused' })),
    unpause: operate('unpause', (guest) => ({ ...guest, state: 'running' })),
    save: operate('save', (guest) => ({ ...guest, state: 'saved' }), consoles.hangUp),
    events: (callOptions) => watchGuests(list, watchEveryMs, callOptions),
    ...reading(store, consoles, called),
    crash: (name) => setState(store, name, 'crashed').then(() => consoles.hangUp(name)),
    powerOff: (name) => setState(store, name, 'stopped').then(() => consoles.hangUp(name)),
    [Symbol.asyncDispose]: async () => {},
  }
}

type Called = (operation: FakeOperation, guest: string, signal: AbortSignal) => Promise<void>

function reading(
  store: FakeStore,
  consoles: FakeConsoles,
  called: Called,
): Pick<Hypervisor, 'console' | 'consoleLog' | 'statistics'> {
  const find = async (operation: FakeOperation, name: string, signal: AbortSignal): Promise<FakeGuest> => {
    await called(operation, name, signal)
    const guest = await store.read(name, { signal })
    if (guest === undefined) throw unknownGuest(name)
    return guest
  }
  return {
    async console(name, { signal }) {
      mustAct('console', name, (await find('console', name, signal)).state)
      return consoles.open(name)
    },
    async consoleLog(name, { signal, maxBytes }) {
      await find('consoleLog', name, signal)
      return new TextDecoder().decode(Buffer.from(consoles.log(name)).subarray(-maxBytes))
    },
    async statistics(name, { signal }) {
      const guest = await find('statistics', name, signal)
      mustAct('statistics', name, guest.state)
      return statisticsOf(guest)
    },
  }
}

function abortError(signal: AbortSignal, operation: string, guest: string): InfraError {
  const isTimeout = signal.reason instanceof Error && signal.reason.name === 'TimeoutError'
  return new InfraError(isTimeout ? 'timeout' : 'cancelled', `${operation} ${guest}`, { subject: guest })
}

async function boot(store: FakeStore, name: string, bootMs: number, signal: AbortSignal): Promise<void> {
  if (bootMs === 0 || (await store.read(name, { signal }))?.state === 'running') return
  await sleep(bootMs, undefined, { signal }).catch(() => {
    throw abortError(signal, 'start', name)
  })
}

/** Forwards keep the port they have had. */
function defined(definition: GuestDefinition, guest: FakeGuest | undefined, counter: Counter): FakeGuest {
  const forwards = definition.network.kind === 'user' ? definition.network.forwards : []
  const keys = forwards.map(({ protocol, port }) => `${protocol} ${port}`)
  const ports = Object.fromEntries(keys.map((key) => [key, guest?.ports[key] ?? counter.take()]))
  return { state: 'stopped', id: 0, startedAt: 0, ...guest, definition: withoutSeedContent(definition), ports }
}

function started(guest: FakeGuest, counter: Counter): FakeGuest {
  if (guest.state === 'paused') return { ...guest, state: 'running' }
  const startedAs = guest.state === 'saved' && guest.started !== undefined ? guest.started : guest.definition
  return { ...guest, state: 'running', started: startedAs, id: counter.take(), startedAt: Date.now() }
}

const stopped = (guest: FakeGuest): FakeGuest => ({ ...guest, state: 'stopped' })
/** As on a real hypervisor that powers off and starts: the reboot takes up the newest definition. */
const rebooted = (guest: FakeGuest): FakeGuest => ({ ...guest, started: guest.definition, startedAt: Date.now() })

async function setState(store: FakeStore, name: string, state: GuestState['state']): Promise<void> {
  await store.update(
    name,
    (guest) => {
      if (guest === undefined) throw unknownGuest(name)
      return { ...guest, state }
    },
    forever,
  )
}

function stateOf({ definition, started, state, id, ports }: FakeGuest, hostAddress: string): GuestState {
  if (state !== 'running' && state !== 'paused') return { definition, state, reach: [] }
  const standing = standingDefinition(definition, started ?? definition)
  const { network, name } = standing
  const address = network.kind === 'bridge' ? (network.address?.split('/')[0] ?? dhcpAddress(name)) : undefined
  return {
    definition: standing,
    state,
    id,
    acceleration: 'none',
    reach: network.kind === 'user' ? Object.entries(ports).map(([key, port]) => reachOf(key, hostAddress, port)) : [],
    ...(address === undefined ? {} : { address }),
  }
}

function reachOf(key: string, address: string, port: number): GuestReach {
  const [protocol, guestPort] = key.split(' ')
  return { protocol: protocol === 'udp' ? 'udp' : 'tcp', guestPort: Number(guestPort), address, port }
}

/** A made-up lease that a guest keeps: its name decides. 198.18.0.0/15 is for tests (RFC 2544). */
function dhcpAddress(name: string): string {
  const digest = createHash('sha256').update(name).digest()
  return `198.${18 + ((digest[0] ?? 0) & 1)}.${digest[1]}.${1 + ((digest[2] ?? 0) % 254)}`
}

function statisticsOf({ definition, startedAt }: FakeGuest): GuestStatistics {
  const seconds = Math.max(0, Date.now() - startedAt) / 1000
  return {
    cpuSeconds: seconds / 100,
    residentBytes: Math.round(definition.memoryBytes / 2),
    disk: { readBytes: Math.round(seconds * 4096), writtenBytes: Math.round(seconds * 1024) },
    network: { receivedBytes: Math.round(seconds * 1500), sentBytes: Math.round(seconds * 3000) },
  }
}
