/** Watches the maintenance directories of clusters: which servers their files name, looked at every second. */
import { Resolver } from 'node:dns/promises'
import { readdir } from 'node:fs/promises'
import { describeError } from '../errors.ts'
import { deadline, type Timing } from '../health/timing.ts'
import type { ClusterServices, WantedServer } from './control.ts'
import { isNamed, type MaintenanceNames, maintenanceNames, noNames } from './maintenance.ts'

const everyMs = 1000
/** A directory may lie on a network, and names do: neither is waited for any longer. */
const patienceMs = 2000
/** So long a name is good, and that there is none. */
const keptMs = 60_000
const lookupsAtOnce = 16
/** More addresses are not looked up, more files not heeded. */
const mostAddresses = 10_000
const mostFiles = 10_000

export type MaintenanceSource = {
  /** The names of a directory's files. */
  readonly list: (directory: string) => Promise<readonly string[]>
  /** What an address is called; whoever does not know throws or says none. */
  readonly namesOf: (address: string) => Promise<readonly string[]>
}

export type MaintenanceWatch = AsyncDisposable & {
  /** From now on it is these clusters' directories; resolves when each that is new was read, or its time is over. */
  follow(clusters: readonly ClusterServices[]): Promise<void>
  readonly holds: (cluster: string, server: WantedServer) => boolean
  /** Another number: other servers may be in maintenance. */
  round(): number
  problems(): readonly string[]
}

export type MaintenanceWatchOptions = {
  readonly source: MaintenanceSource
  readonly timing: Timing
  /** Called when other servers may be in maintenance than before. */
  readonly onChange: () => void
  /** A directory that cannot be read: said once for each reason. */
  readonly onTrouble: (cluster: string, reason: string) => void
}

type Directory = {
  readonly path: string
  /** Whose it is, and whose servers its files may name. */
  clusters: readonly ClusterServices[]
  files: string
  names: MaintenanceNames
  problem: string | undefined
  isBusy: boolean
}

type Known = { readonly names: readonly string[]; readonly untilMs: number }

export function openMaintenanceWatch(options: MaintenanceWatchOptions): MaintenanceWatch {
  const { source, timing, onChange, onTrouble } = options
  const closing = new AbortController()
  const directories = new Map<string, Directory>()
  const byCluster = new Map<string, Directory>()
  const hostNames = new Map<string, Known>()
  let isLookingUp = false
  /** Who follows looks at the table anyway when all is read. */
  let following = 0
  let round = 0
  const change = (): void => {
    round += 1
    if (following === 0 && !closing.signal.aborted) onChange()
  }
  let watching: Promise<void> | undefined

  const patiently = async (work: Promise<void>): Promise<void> => {
    using limit = deadline(timing, closing.signal, patienceMs)
    const { signal } = limit
    await Promise.race([work, new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))])
  }
  const trouble = (directory: Directory, reason: string | undefined): void => {
    if (directory.problem === reason) return
    directory.problem = reason
    if (reason !== undefined) for (const { cluster } of directory.clusters) onTrouble(cluster, reason)
  }
  const take = (directory: Directory, heeded: readonly string[]): void => {
    const files = [...heeded].sort().join('/')
    if (files === directory.files) return
    directory.files = files
    directory.names = maintenanceNames(heeded)
    change()
  }
  const read = async (directory: Directory): Promise<void> => {
    // One that never answered is still being asked: another would only hang beside it.
    if (directory.isBusy) return
    directory.isBusy = true
    const reading = source.list(directory.path).then(
      (found) => {
        take(directory, found.slice(0, mostFiles))
        const tooMany = `the maintenance directory ${directory.path} has more than ${mostFiles} files: not all are heeded`
        trouble(directory, found.length > mostFiles ? tooMany : undefined)
      },
      (error: unknown) => {
        // Where there is no directory there are no files; otherwise nobody knows, and all stays as it was.
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') take(directory, [])
        trouble(directory, `the maintenance directory ${directory.path}: ${describeError(error)}`)
      },
    )
    await patiently(reading.finally(() => (directory.isBusy = false)))
    if (directory.isBusy) trouble(directory, `the maintenance directory ${directory.path} does not answer`)
  }
  const lookUp = async (address: string): Promise<boolean> => {
    const names = await source.namesOf(address).catch(() => [])
    const before = hostNames.get(address)?.names ?? []
    hostNames.set(address, { names, untilMs: timing.now() + keptMs })
    return names.join() !== before.join()
  }
  const lookUpAll = async (): Promise<void> => {
    const due = dueAddresses(directories.values(), hostNames, timing.now())
    if (isLookingUp || due.length === 0) return
    isLookingUp = true
    for (let at = 0; at < due.length && !closing.signal.aborted; at += lookupsAtOnce) {
      const changed = await Promise.all(due.slice(at, at + lookupsAtOnce).map(lookUp))
      if (changed.includes(true)) change()
    }
    isLookingUp = false
  }
  const lookAll = async (some: readonly Directory[]): Promise<void> => {
    await Promise.all(some.map(read))
    await patiently(lookUpAll())
  }
  const watch = async (): Promise<void> => {
    while (directories.size > 0 && !closing.signal.aborted) {
      await timing.sleep(everyMs, closing.signal)
      if (!closing.signal.aborted) await lookAll([...directories.values()])
    }
    watching = undefined
  }
  return {
    async follow(clusters) {
      round += 1
      const fresh = assign(clusters, directories, byCluster)
      forget(hostNames, clusters)
      following += 1
      if (fresh.length > 0) await lookAll(fresh)
      following -= 1
      if (directories.size > 0 && !closing.signal.aborted) watching ??= watch()
    },
    holds: (cluster, server) => {
      const names = byCluster.get(cluster)?.names
      return names !== undefined && isNamed(names, server, hostNames.get(server.address)?.names ?? [])
    },
    round: () => round,
    problems: () => [...directories.values()].flatMap(({ problem }) => problem ?? []),
    async [Symbol.asyncDispose]() {
      closing.abort()
      await watching
    },
  }
}

/** Directories come and go with their clusters; those that are new here are given back. */
function assign(
  clusters: readonly ClusterServices[],
  directories: Map<string, Directory>,
  byCluster: Map<string, Directory>,
): Directory[] {
  const fresh: Directory[] = []
  const users = new Map<string, ClusterServices[]>()
  for (const cluster of clusters)
    if (cluster.maintenance !== undefined)
      users.set(cluster.maintenance, [...(users.get(cluster.maintenance) ?? []), cluster])
  for (const path of directories.keys()) if (!users.has(path)) directories.delete(path)
  byCluster.clear()
  for (const [path, own] of users) {
    const known = directories.get(path)
    const directory = known ?? { path, clusters: own, files: '', names: noNames, problem: undefined, isBusy: false }
    directory.clusters = own
    if (known === undefined) fresh.push(directory)
    directories.set(path, directory)
    for (const { cluster } of own) byCluster.set(cluster, directory)
  }
  return fresh
}

/** Addresses are looked up only where a file has a name that is no address. */
function dueAddresses(directories: Iterable<Directory>, known: ReadonlyMap<string, Known>, nowMs: number): string[] {
  const due = new Set<string>()
  for (const { names, clusters } of directories) {
    if (names.names.size === 0) continue
    for (const { services } of clusters)
      for (const { servers } of services)
        for (const { address } of servers) {
          const has = known.get(address)
          const isDue = has === undefined ? known.size + due.size < mostAddresses : has.untilMs <= nowMs
          if (isDue) due.add(address)
        }
  }
  return [...due]
}

/** Names of addresses that nobody has any more. */
function forget(known: Map<string, Known>, clusters: readonly ClusterServices[]): void {
  if (known.size === 0) return
  const wanted = new Set(
    clusters.flatMap(({ services }) => services.flatMap(({ servers }) => servers.map(({ address }) => address))),
  )
  for (const address of known.keys()) if (!wanted.has(address)) known.delete(address)
}

/** The machine's directories; names by DNS and /etc/hosts, without the thread pool, where one slow answer holds up files. */
export function machineMaintenance(): MaintenanceSource {
  const resolver = new Resolver({ timeout: 1000, tries: 2 })
  return { list: (directory) => readdir(directory), namesOf: (address) => resolver.reverse(address) }
}
