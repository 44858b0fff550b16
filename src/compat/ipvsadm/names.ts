/** What hosts and ports are called: the files of this machine first, then whatever else it asks (DNS), for a while. */
import { lookup, lookupService } from 'node:dns'
import { readFileSync } from 'node:fs'
import type { Namer } from '../../formats/ipvsadm/text.ts'
import type { Names } from '../../formats/ipvsadm/values.ts'
import { type HostTable, hostTable, type ServiceTable, serviceTable } from './name-files.ts'

/** Where names come from. */
export type NameSource = {
  /** The text of /etc/hosts and /etc/services; empty where there is none. */
  hosts(): string
  services(): string
  /** An IPv4 address, or undefined. Never rejects; ends by itself within seconds. */
  lookUp(name: string): Promise<string | undefined>
  /** The name of an address. */
  reverse(address: string): Promise<string | undefined>
  /** Milliseconds, from whenever. */
  now(): number
}

export type NameBook = {
  /** For a parse: what it cannot say at once it notes, for `learn`. */
  readonly names: Names
  /** Whether a name was asked for that is not known yet: learn it, and parse again. */
  isAsked(): boolean
  learn(): Promise<void>
  /** What these addresses, and all ports, are called. */
  namer(addresses: Iterable<string>): Promise<Namer>
}

/** So many lookups at a time: libuv has four threads for them. */
const lookupsAtOnce = 4
/** After this long no more lookups are begun: the rest is listed by number. */
const lookupBudgetMs = 3_000
/** A resolver that takes this long to find nothing does not answer. */
const silenceMs = 900
/** Names that are kept for what is listed next. */
const mostRemembered = 16_384

export function nameBook(source: NameSource): NameBook {
  const files = lazyFiles(source)
  const known = new Map<string, string | undefined>()
  const asked = new Set<string>()
  const names: Names = {
    host: (name) => {
      if (!couldBeHost(name)) return undefined
      const address = files.hosts().addressOf(name)
      if (address !== undefined) return address
      if (!known.has(name)) asked.add(name)
      return known.get(name)
    },
    port: (name, protocol) => files.services().port(name, protocol),
  }
  return {
    names,
    isAsked: () => asked.size > 0,
    learn: async () => {
      const missing = [...asked]
      asked.clear()
      await someAtOnce(missing, async (name) => void known.set(name, await source.lookUp(name)))
    },
    namer: openNamer(files, source),
  }
}

type Files = { hosts(): HostTable; services(): ServiceTable }

/** Most commands name nothing: the files are read when the first one does. */
function lazyFiles(source: NameSource): Files {
  let hosts: HostTable | undefined
  let services: ServiceTable | undefined
  return {
    hosts: () => (hosts ??= hostTable(source.hosts())),
    services: () => (services ??= serviceTable(source.services())),
  }
}

/** What it has learned, and how long that took, counts for all that is listed: a million connections come in many batches. */
function openNamer(files: Files, source: NameSource): NameBook['namer'] {
  let names = new Map<string, string | undefined>()
  let spentMs = 0
  let isSilent = false
  return async (addresses) => {
    if (names.size > mostRemembered) names = new Map()
    const known = names
    const unnamed: string[] = []
    for (const address of addresses) {
      if (known.has(address)) continue
      const name = files.hosts().nameOf(address)
      known.set(address, name)
      if (name === undefined) unnamed.push(address)
    }
    const startedMs = source.now()
    await someAtOnce(unnamed, async (address) => {
      const askedMs = source.now()
      if (isSilent || spentMs + askedMs - startedMs > lookupBudgetMs) return
      const name = await source.reverse(address)
      known.set(address, name)
      isSilent ||= name === undefined && source.now() - askedMs > silenceMs
    })
    spentMs += source.now() - startedMs
    return {
      host: (address) => known.get(address),
      port: (port, protocol) => files.services().name(port, protocol),
    }
  }
}

async function someAtOnce<T>(items: readonly T[], act: (item: T) => Promise<void>): Promise<void> {
  const left = items.values()
  const worker = async (): Promise<void> => {
    for (const item of left) await act(item)
  }
  await Promise.all(Array.from({ length: Math.min(lookupsAtOnce, items.length) }, worker))
}

/** What gethostbyname asks nobody for: numbers that are no address, and what no name may have in it. */
function couldBeHost(name: string): boolean {
  return /^[A-Za-z0-9_.-]{1,255}$/.test(name) && !/^[0-9.]+$/.test(name)
}

/** The files and the resolver of this machine. */
export function machineNames(): NameSource {
  // getaddrinfo(3) cannot be cancelled and keeps the process until it ends: so it must end soon.
  process.env['RES_OPTIONS'] ??= 'timeout:1 attempts:2'
  return {
    hosts: () => readIfThere('/etc/hosts'),
    services: () => readIfThere('/etc/services'),
    lookUp: (name) =>
      new Promise((resolve) => lookup(name, { family: 4 }, (error, address) => resolve(error ? undefined : address))),
    reverse: (address) =>
      new Promise((resolve) => lookupService(address, 0, (error, hostname) => resolve(error ? undefined : hostname))),
    now: () => performance.now(),
  }
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    // A machine without it has no names of its own (Debian: the package netbase).
    return ''
  }
}
