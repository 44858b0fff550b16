/** hosts(5) and services(5) as glibc reads them. Pure. */
import { parseAddress } from '../../lvs/address.ts'
import { type Family, familyOf, type Protocol } from '../../lvs/service.ts'

type HostEntry = { readonly address: string; readonly names: readonly string[] }

export type HostTable = {
  /** IPv4 only, as gethostbyname(3); letters of either case. */
  addressOf(name: string): string | undefined
  /** What comes first on the first line with this address. */
  nameOf(address: string): string | undefined
}

export function hostTable(text: string): HostTable {
  const entries = { ipv4: hostEntries(text, 'ipv4'), ipv6: hostEntries(text, 'ipv6') }
  return {
    addressOf: (name) => {
      const wanted = name.toLowerCase()
      return entries.ipv4.find(({ names }) => names.some((one) => one.toLowerCase() === wanted))?.address
    },
    nameOf: (address) => {
      const entry = entries[familyOf(address)].find((one) => one.address === address)
      return entry?.names[0]
    },
  }
}

/** For who asks in IPv4, glibc takes ::1 for 127.0.0.1 and a mapped address for what it maps. */
function hostEntries(text: string, family: Family): HostEntry[] {
  return text.split('\n').flatMap((line) => {
    const [written = '', ...names] = fields(line)
    const parsed = parseAddress(written)
    if (parsed === undefined || names.length === 0) return []
    const address = family === 'ipv4' ? asIpv4(parsed) : parsed
    if (address === undefined || familyOf(address) !== family) return []
    return [{ address, names }]
  })
}

function asIpv4(address: string): string | undefined {
  if (familyOf(address) === 'ipv4') return address
  if (address === '::1') return '127.0.0.1'
  return /^::ffff:([0-9.]+)$/.exec(address)?.[1]
}

export type ServiceTable = {
  port(name: string, protocol: Protocol): number | undefined
  name(port: number, protocol: Protocol): string | undefined
}

/** The first line with a name (or alias) and protocol, and the first with a port and protocol, count. */
export function serviceTable(text: string): ServiceTable {
  const ports = new Map<string, number>()
  const names = new Map<string, string>()
  for (const line of text.split('\n')) {
    const [name = '', where = '', ...aliases] = fields(line)
    const [, digits, protocol = ''] = /^([0-9]+)\/([a-z]+)$/.exec(where) ?? []
    if (digits === undefined) continue
    const port = Number(digits)
    for (const known of [name, ...aliases]) keepFirst(ports, `${protocol} ${known}`, port)
    keepFirst(names, `${protocol} ${port}`, name)
  }
  return {
    port: (name, protocol) => ports.get(`${protocol} ${name}`),
    name: (port, protocol) => names.get(`${protocol} ${port}`),
  }
}

function keepFirst<V>(map: Map<string, V>, key: string, value: V): void {
  if (!map.has(key)) map.set(key, value)
}

function fields(line: string): string[] {
  return (line.split('#', 1)[0] ?? '').split(/[ \t\r]+/).filter((field) => field !== '')
}
