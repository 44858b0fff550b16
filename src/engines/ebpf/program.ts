/** The program and its maps in the kernel: loaded, pinned, and taken up again by the next director. */
import { mkdirSync, rmSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { InfraError } from '../../errors.ts'
import { type BpfObject, closeFd, loadObject, pin, pinnedFd } from '../../os/bpf.ts'
import { ensureBpfFileSystem } from '../../os/bpf-file-system.ts'
import { BpfMap } from '../../os/bpf-map.ts'
import { missingCapabilities } from '../../os/capabilities.ts'
import { layoutVersion, type MapName, mapNames } from './layout.ts'
import { type Maps, openMaps, type SharedArray, sharedArray } from './maps.ts'
import type { LimitName } from './tuning.ts'

/** How much its maps take. A connection has two entries of `flows` where its packets are rewritten. */
export type Sizes = Readonly<Record<Exclude<LimitName, 'half-open'>, number>>

export type Program = Disposable & {
  readonly maps: Maps
  readonly in: number
  readonly out: number
  /** At the interface by which packets with a firewall's mark come. */
  readonly steered: number
  readonly reap: number
  /** Puts connections of another director in, and what it is told them by; they go with it, not with the table. */
  readonly adopt: number
  readonly adopting: SharedArray
  /** The way ahead of the stack (XDP), and the interfaces that it is at; they go with it, not with the table. */
  readonly ahead: number
  readonly ports: BpfMap
  /** Its place: where its director pins what it has. */
  readonly directory: string
  /** It goes on with the maps of a director before this one. */
  readonly isContinued: boolean
  readonly sizes: Sizes
  /** Descriptors of its maps, valid until it is disposed of. */
  map(name: MapName): number
}

/** Beside the sources as in a checkout, and beside the built program. */
export const objectFile = import.meta.url.endsWith('.ts')
  ? new URL('../../../bpf/director.bpf.o', import.meta.url)
  : new URL('../bpf/director.bpf.o', import.meta.url)

/** Loads the program onto the maps that a director before this one has left, or onto new ones. @throws InfraError */
export async function openProgram(root: string, directory: string, wanted: Sizes): Promise<Program> {
  const bytes = await readFile(objectFile)
  ensureBpfFileSystem(root)
  const folder = join(directory, `v${layoutVersion}`)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const standing = pinnedMaps(folder)
  const object = loadObject(bytes, { maxEntries: entries(wanted), reuse: standing })
  const fdOf = (name: MapName): number => object.map(name)
  try {
    for (const name of mapNames) if (standing[name] === undefined) pin(fdOf(name), join(folder, name))
    const maps = openMaps(fdOf)
    const sizes = {
      connections: maps.flows.info.maxEntries / 2,
      templates: maps.templates.info.maxEntries,
      services: maps.turns.entries,
      servers: maps.servers.entries,
      'table-entries': maps.slots.entries,
      destinations: maps.destinations.info.maxEntries,
    }
    return programOf(object, maps, { directory, sizes, isContinued: standing['flows'] !== undefined })
  } catch (error) {
    object[Symbol.dispose]()
    throw error
  } finally {
    for (const fd of Object.values(standing)) closeFd(fd)
  }
}

function programOf(
  object: BpfObject,
  maps: Maps,
  about: Pick<Program, 'directory' | 'sizes' | 'isContinued'>,
): Program {
  return {
    ...about,
    maps,
    map: (name) => object.map(name),
    in: object.program('director_in'),
    out: object.program('director_out'),
    steered: object.program('director_steered'),
    reap: object.program('reap'),
    adopt: object.program('adopt'),
    adopting: sharedArray(new BpfMap('adopting', object.map('adopting'))),
    ahead: object.program('director_express'),
    ports: new BpfMap('ports', object.map('ports')),
    [Symbol.dispose]: () => object[Symbol.dispose](),
  }
}

/** All or none: a director that died while it pinned them has left nothing that counts. */
function pinnedMaps(folder: string): Readonly<Record<string, number>> {
  const found: Record<string, number> = {}
  for (const name of mapNames) {
    const fd = pinnedFd(join(folder, name))
    if (fd !== undefined) found[name] = fd
  }
  if (Object.keys(found).length === mapNames.length) return found
  for (const fd of Object.values(found)) closeFd(fd)
  for (const name of mapNames) rmSync(join(folder, name), { force: true })
  return {}
}

function entries(sizes: Sizes): Readonly<Record<string, number>> {
  const { connections, templates, services, servers, destinations } = sizes
  return {
    flows: 2 * connections,
    templates,
    remembered: templates,
    services,
    turns: services,
    servers,
    slots: sizes['table-entries'],
    counters: servers,
    kept: 2 * services + servers,
    destinations,
    replicas: destinations,
    localities: services,
  }
}

/** @throws InfraError `permission` at once, rather than half-way. */
export function throwIfUnprivileged(): void {
  const missing = missingCapabilities(['CAP_BPF', 'CAP_NET_ADMIN', 'CAP_PERFMON'])
  if (missing.length === 0) return
  throw new InfraError('permission', `the ebpf engine needs root: this process lacks ${missing.join(', ')}`, {
    subject: 'ebpf',
    hint: 'run the director as root, in a container with --privileged or --cap-add; or say engine: userspace',
  })
}
