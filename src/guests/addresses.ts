/** Addresses of guests as their host knows them: by leases that it has given, and by what it has heard on its bridges. */
import type { Host } from '../hosts/host.ts'
import type { CallOptions } from './hypervisor.ts'

/** What a host knows, asked for once for all of its guests. */
export type HostAddresses = {
  /** Of a card on a bridge, the likeliest first. */
  readonly leased: (bridge: string, mac: string) => Promise<readonly string[]>
  readonly heard: (bridge: string, mac: string) => Promise<readonly string[]>
}

/** Where dnsmasq(8) of Debian and of RHEL writes its leases. */
const leaseFiles = ['/var/lib/misc/dnsmasq.leases', '/var/lib/dnsmasq/dnsmasq.leases']

/** Nothing is asked before somebody wants to know. */
export function hostAddresses(host: Host, options: CallOptions): HostAddresses {
  const text = async (path: string): Promise<string> => new TextDecoder().decode(await host.readFile(path, options))
  const nowSeconds = Date.now() / 1000
  let leases: Promise<string[]> | undefined
  let neighbours: Promise<readonly Neighbour[]> | undefined
  return {
    async leased(bridge, mac) {
      leases ??= Promise.all(leaseFiles.map(text))
      const own = leasesIn((await leases).join('\n'), mac, nowSeconds)
      return [...new Set([...own, ...networkLeasesIn(await text(networkLeases(bridge)), mac, nowSeconds)])]
    },
    async heard(bridge, mac) {
      neighbours ??= host.run(['ip', '-s', 'neighbour', 'show'], options).then(({ stdout }) => neighboursIn(stdout))
      return heardFrom(await neighbours, bridge, mac)
    },
  }
}

/** What libvirt's own DHCP server on this bridge has given away. */
const networkLeases = (bridge: string): string => `/var/lib/libvirt/dnsmasq/${bridge}.status`

/** Lines `EXPIRY MAC ADDRESS NAME CLIENT`; 0: for ever. */
export function leasesIn(text: string, mac: string, nowSeconds: number): string[] {
  return text.split('\n').flatMap((line) => {
    const [expiry = '', hardware, address = ''] = line.split(' ')
    const isMeant = /^\d+$/.test(expiry) && hardware?.toLowerCase() === mac && address !== ''
    return isMeant && holds(Number(expiry), nowSeconds) ? [address] : []
  })
}

type Lease = { readonly 'ip-address'?: string; readonly 'mac-address'?: string; readonly 'expiry-time'?: number }

export function networkLeasesIn(text: string, mac: string, nowSeconds: number): string[] {
  return parsedLeases(text).flatMap((lease) => {
    const address = lease['ip-address']
    const isMeant = lease['mac-address']?.toLowerCase() === mac && holds(lease['expiry-time'] ?? 0, nowSeconds)
    return isMeant && address !== undefined ? [address] : []
  })
}

function parsedLeases(text: string): readonly Lease[] {
  if (text.trim() === '') return []
  try {
    const parsed: unknown = JSON.parse(text)
    return Array.isArray(parsed) ? (parsed as Lease[]) : []
  } catch {
    return [] // it is being written
  }
}

const holds = (expiry: number, nowSeconds: number): boolean => expiry === 0 || expiry > nowSeconds

type Neighbour = {
  readonly address: string
  readonly interface: string
  readonly mac: string
  /** Seconds since it was last heard from, or since that was last confirmed. */
  readonly ageSeconds: number
}

/** `10.0.0.5 dev br0 lladdr 52:54:00:aa:bb:cc ref 1 used 12/3/4 probes 1 REACHABLE`: used, confirmed, updated (ip-neighbour(8)). */
export function neighboursIn(text: string): readonly Neighbour[] {
  return text.split('\n').flatMap((line) => {
    const [, address = '', device = '', mac = '', times = '0/0/0'] =
      /^(\S+) dev (\S+) lladdr (\S+)(?:.* used (\d+\/\d+\/\d+))?/.exec(line) ?? []
    if (mac === '' || / (FAILED|INCOMPLETE)\s*$/.test(line)) return []
    const [, confirmed = 0, updated = 0] = times.split('/').map(Number)
    return [{ address, interface: device, mac: mac.toLowerCase(), ageSeconds: Math.min(confirmed, updated) }]
  })
}

/** The one that was heard last comes first: a guest that has another address now is still remembered by its old one. */
export function heardFrom(neighbours: readonly Neighbour[], bridge: string, mac: string): string[] {
  return neighbours
    .filter((one) => one.interface === bridge && one.mac === mac && !/^(fe80:|169\.254\.)/i.test(one.address))
    .sort((a, b) => a.ageSeconds - b.ageSeconds)
    .map(({ address }) => address)
}

/** Addresses that several sources know, the likeliest first, each once; undefined for the first where there are none. */
export function knownAddresses(found: readonly string[]): { address?: string; addresses?: readonly string[] } {
  const addresses = [...new Set(found)].filter((one) => !/^(127\.|::1$|fe80:)/i.test(one))
  const [address] = addresses
  return address === undefined ? {} : { address, addresses }
}
