/** What virt-install asks of the host: what runs guests there, which pools and names there are. */
import { readdirSync, readFileSync } from 'node:fs'
import { isInfraError } from '../../errors.ts'
import { parseXml, valueAt } from '../../formats/domain-xml/document.ts'
import type { Connection } from '../../guests/libvirt/connection.ts'
import { findDaemon, openLibvirt } from '../../guests/libvirt/open.ts'
import { findAcceleration } from '../../guests/qemu/acceleration.ts'
import { runQemu } from '../../guests/qemu/program.ts'
import type { Host } from '../../hosts/host.ts'
import type { HostFacts } from './build.ts'
import { type Capabilities, parseCapabilities } from './capabilities.ts'

type CallOptions = { readonly signal: AbortSignal }

const emulator = '/usr/bin/qemu-system-x86_64'

/** undefined when no daemon listens: a domain can be printed without one, not defined. */
export async function connectLibvirt(host: Host, options: CallOptions): Promise<Connection | undefined> {
  try {
    return await openLibvirt(host, await findDaemon(host, options), options)
  } catch (error) {
    if (isInfraError(error, 'missing-tool')) return undefined
    throw error
  }
}

export async function hostFacts(
  host: Host,
  connection: Connection | undefined,
  options: CallOptions,
): Promise<HostFacts> {
  const [acceleration, machines, pools, names, capabilities] = await Promise.all([
    findAcceleration(host, options).catch((error: unknown) => {
      if (!isInfraError(error, 'missing-tool')) throw error
      return { kind: 'tcg' as const }
    }),
    machineTypes(host, options),
    poolDirectories(connection, options),
    domainNames(connection, options),
    capabilitiesOf(connection, options),
  ])
  return {
    virtType: acceleration.kind === 'kvm' ? 'kvm' : 'qemu',
    emulator,
    pc: /^pc\s.*\(alias of (\S+)\)/m.exec(machines)?.[1] ?? 'pc',
    poolDirectory: (pool) => pools.get(pool),
    names,
    ...(capabilities === undefined ? {} : { capabilities }),
  }
}

async function machineTypes(host: Host, options: CallOptions): Promise<string> {
  try {
    return (await runQemu(host, ['-machine', 'help'], options)).stdout
  } catch (error) {
    if (isInfraError(error, 'missing-tool')) return ''
    throw error
  }
}

async function poolDirectories(
  connection: Connection | undefined,
  options: CallOptions,
): Promise<ReadonlyMap<string, string>> {
  if (connection === undefined) return new Map(recordedPools())
  const [pools] = await connection.call('connectListAllStoragePools', [1, 0], options)
  const found = new Map<string, string>()
  for (const pool of pools) {
    const [xml] = await connection.call('storagePoolGetXmlDesc', [pool, 0], options)
    const path = valueAt(parseXml(xml), './target/path')
    if (path !== undefined) found.set(pool.name, path)
  }
  return found
}

/** What libvirt has written down, while it does not run. */
function recordedPools(): (readonly [string, string])[] {
  const directory = '/etc/libvirt/storage'
  try {
    return readdirSync(directory)
      .filter((name) => name.endsWith('.xml'))
      .flatMap((name) => {
        const path = valueAt(parseXml(readFileSync(`${directory}/${name}`, 'utf8')), './target/path')
        return path === undefined ? [] : [[name.slice(0, -'.xml'.length), path] as const]
      })
  } catch {
    return [] // no libvirt, or not ours to read
  }
}

async function domainNames(connection: Connection | undefined, options: CallOptions): Promise<ReadonlySet<string>> {
  if (connection === undefined) return new Set()
  const [domains] = await connection.call('connectListAllDomains', [1, 0], options)
  return new Set(domains.map(({ name }) => name))
}

async function capabilitiesOf(
  connection: Connection | undefined,
  options: CallOptions,
): Promise<Capabilities | undefined> {
  if (connection === undefined) return undefined
  const [xml] = await connection.call('connectGetCapabilities', [], options)
  return parseCapabilities(xml)
}

/** Where files lie that QEMU boots from once; it is made when one is put there. */
export async function mediaDirectory(host: Host, uri: string, options: CallOptions): Promise<string> {
  const { isRoot } = await host.facts(options)
  return uri.endsWith('/system') && isRoot ? '/var/lib/libvirt/boot' : `${host.directories.cache}/boot`
}
