/** Which servers the files of a maintenance directory name: ADDRESS:PORT, ADDRESS, NAME:PORT or NAME. Pure. */
import { parseAddress } from '../lvs/address.ts'
import type { WantedServer } from './control.ts'

/** Ports; `all`: whatever the port. */
type Ports = ReadonlySet<number> | 'all'

export type MaintenanceNames = {
  /** By canonical address. */
  readonly addresses: ReadonlyMap<string, Ports>
  /** By name in small letters: of a machine, long or short, or of a guest. */
  readonly names: ReadonlyMap<string, Ports>
}

export const noNames: MaintenanceNames = { addresses: new Map(), names: new Map() }

/** What cannot name a server, such as a hidden file, is passed over. */
export function maintenanceNames(files: Iterable<string>): MaintenanceNames {
  const addresses = new Map<string, Ports>()
  const names = new Map<string, Ports>()
  for (const file of files) {
    const named = parseName(file)
    if (named === undefined) continue
    const address = parseAddress(named.host)
    if (address !== undefined) add(addresses, address, named.port)
    else if (/^[a-z0-9_][a-z0-9_.-]*$/i.test(named.host)) add(names, named.host.toLowerCase(), named.port)
  }
  return { addresses, names }
}

/** IPv6 stands in brackets, as ldirectord writes it; without a port it may stand bare. */
function parseName(file: string): { readonly host: string; readonly port: number | undefined } | undefined {
  const [, bracketed, plain = file, written] = /^(?:\[([^\]]+)\]|([^:]+))(?::([0-9]{1,5}))?$/.exec(file) ?? []
  const port = written === undefined ? undefined : Number(written)
  return port === undefined || port <= 65_535 ? { host: bracketed ?? plain, port } : undefined
}

function add(to: Map<string, Ports>, host: string, port: number | undefined): void {
  const ports = to.get(host)
  if (port === undefined) to.set(host, 'all')
  else if (ports !== 'all') to.set(host, new Set([...(ports ?? []), port]))
}

/** `hostNames`: what its address is called. Their first part counts, too. A guest goes by its name and its own ports. */
export function isNamed(
  { addresses, names }: MaintenanceNames,
  { address, port, guest, guestPort }: Pick<WantedServer, 'address' | 'port' | 'guest' | 'guestPort'>,
  hostNames: readonly string[],
): boolean {
  if (holds(addresses.get(address), port)) return true
  if (names.size === 0) return false
  if (guest !== undefined && holds(names.get(guest.toLowerCase()), guestPort ?? port)) return true
  return hostNames.some((name) => {
    const long = name.toLowerCase().replace(/\.$/, '')
    return holds(names.get(long), port) || holds(names.get(shortName(long)), port)
  })
}

function shortName(name: string): string {
  const dot = name.indexOf('.')
  return dot < 0 ? name : name.slice(0, dot)
}

function holds(ports: Ports | undefined, port: number): boolean {
  return ports === 'all' || ports?.has(port) === true
}
