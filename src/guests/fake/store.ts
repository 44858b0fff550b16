/** Where the fake hypervisor keeps its guests: in memory, or in files of a host so that they outlive the command. */
import { Bug } from '../../errors.ts'
import type { Host } from '../../hosts/host.ts'
import type { CallOptions, GuestDefinition, GuestRunState } from '../hypervisor.ts'

/** One simulated guest. `ports`: where its forwards are "reached", by `tcp 80`. */
export type FakeGuest = {
  readonly definition: GuestDefinition
  /** What it runs as, or is saved as. */
  readonly started?: GuestDefinition
  readonly state: GuestRunState
  readonly id: number
  readonly startedAt: number
  readonly ports: Readonly<Record<string, number>>
}

/** Gives numbers that no guest of the store has: process ids and ports. */
export type Counter = { take(): number }
export type Change = (guest: FakeGuest | undefined, counter: Counter) => FakeGuest | undefined

export interface FakeStore {
  names(options: CallOptions): Promise<readonly string[]>
  read(name: string, options: CallOptions): Promise<FakeGuest | undefined>
  /** Runs the change with no other in between. Giving the same object back writes nothing. */
  update(name: string, change: Change, options: CallOptions): Promise<void>
}

const firstNumber = 20_000
const lastNumber = 59_999

function counterFrom(start: number): Counter & { next(): number } {
  let number = start
  return {
    take: () => {
      const taken = number
      number = number === lastNumber ? firstNumber : number + 1
      return taken
    },
    next: () => number,
  }
}

export function memoryStore(): FakeStore {
  const guests = new Map<string, FakeGuest>()
  const counter = counterFrom(firstNumber)
  return {
    names: async () => [...guests.keys()].sort(),
    read: async (name) => guests.get(name),
    async update(name, change) {
      const next = change(guests.get(name), counter)
      if (next === undefined) guests.delete(name)
      else guests.set(name, next)
    },
  }
}

/** A file for each guest under `${state}/fake`; the lock stands in the same directory, which goes with the last guest. */
export function fileStore(host: Host): FakeStore {
  const directory = `${host.directories.state}/fake`
  const counterFile = `${directory}/next`
  const guestFile = (name: string): string => `${directory}/guests/${name}.json`
  const read: FakeStore['read'] = async (name, options) => {
    const bytes = await host.readFile(guestFile(name), options)
    return bytes === undefined ? undefined : parse(bytes, guestFile(name))
  }
  const names: FakeStore['names'] = async (options) =>
    ((await host.list(`${directory}/guests`, options)) ?? [])
      .filter((file) => file.endsWith('.json') && !file.startsWith('.'))
      .map((file) => file.slice(0, -'.json'.length))
      .sort()
  return {
    read,
    names,
    async update(name, change, options) {
      await using _lock = await host.lock(`${directory}/lock`, options)
      const before = await read(name, options)
      const start = Number(new TextDecoder().decode(await host.readFile(counterFile, options)))
      const counter = counterFrom(start >= firstNumber ? start : firstNumber)
      const after = change(before, counter)
      if (counter.next() !== start && after !== undefined)
        await host.writeFile(counterFile, String(counter.next()), options)
      if (after !== undefined && after !== before) await host.writeFile(guestFile(name), JSON.stringify(after), options)
      if (after !== undefined) return
      await host.remove(guestFile(name), options)
      if ((await names(options)).length === 0) await host.remove(directory, options)
    },
  }
}

function parse(bytes: Uint8Array, path: string): FakeGuest {
  const value: unknown = JSON.parse(new TextDecoder().decode(bytes))
  if (typeof value !== 'object' || value === null || !('definition' in value))
    throw new Bug(`${path} is not what the fake hypervisor wrote`)
  return value as FakeGuest
}
