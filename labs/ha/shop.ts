/**
 * What two directors serve as one in failover labs: a service by NAT, whose server's way back is the inner virtual address, and
 * one by direct routing, whose server stands beside them; and clients that hold on.
 */
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Baton } from '../hello/baton.ts'
import type { Report } from './steady-client.ts'
import { Site } from './world.ts'

export const vip = '10.99.0.100'
export const inside = 'br1'
const ports = { nat: 80, direct: 81 } as const
const innerVip = '10.98.0.254'
const innerServer = '10.98.0.10'

type Shop = {
  readonly site: Site
  /** `count` connections to each service. */
  openClients(count: number): Promise<Clients>
}
/** Asks on each connection, and says what came back. */
export type Clients = { report(): Promise<readonly (Report & { readonly service: string })[]> }

/** Places 0 … are for the directors: `eth0` outside, `eth1` inside. */
export async function openShop(directors: number): Promise<Shop> {
  const site = await Site.open(directors + 3)
  const [client, natServer, directServer] = [directors, directors + 1, directors + 2]
  for (let at = 0; at < directors; at++) await site.join(at, 'eth1', inside, `10.98.0.${at + 1}/24`)
  await site.run(natServer, 'ip', 'link', 'set', 'eth0', 'down')
  await site.join(natServer, 'eth1', inside, `${innerServer}/24`)
  await site.run(natServer, 'ip', 'route', 'add', 'default', 'via', innerVip)
  const quiet = ['net.ipv4.conf.all.arp_ignore=1', 'net.ipv4.conf.all.arp_announce=2']
  await site.run(directServer, 'sysctl', '-qw', ...quiet)
  await site.run(directServer, 'ip', 'address', 'add', `${vip}/32`, 'dev', 'lo')
  const echo = join(import.meta.dirname, 'echo-server.ts')
  site.start(natServer, process.execPath, '--import', 'tsx', echo, '8080')
  site.start(directServer, process.execPath, '--import', 'tsx', echo, String(ports.direct))
  const open = (port: number, count: number): Promise<() => Promise<Report>> => openSteady(site, client, port, count)
  return {
    site,
    async openClients(count) {
      const [nat, direct] = [await open(ports.nat, count), await open(ports.direct, count)]
      return {
        report: async () => [
          { service: 'nat', ...(await nat()) },
          { service: 'direct', ...(await direct()) },
        ],
      }
    },
  }
}

async function openSteady(site: Site, client: number, port: number, count: number): Promise<() => Promise<Report>> {
  const program = join(import.meta.dirname, 'steady-client.ts')
  const words = ['--import', 'tsx', program, vip, String(port), String(count)]
  const child = site.begin(client, process.execPath, ...words)
  const lines = createInterface({ input: child.stdout ?? process.stdin })[Symbol.asyncIterator]()
  const next = async (): Promise<Report> => {
    const { value, done } = await lines.next()
    if (done === true) throw new Error('the clients have ended')
    return JSON.parse(value) as Report
  }
  await next()
  return () => {
    child.stdin?.write('report\n')
    return next()
  }
}

type ShopSpec = {
  readonly engine: 'ebpf' | 'ipvs'
  readonly priority: number
  readonly every: string
  /** The server by direct routing stands behind the places of the directors. */
  readonly directors: number
}

/** Of a director there: its file. */
export function shopSpec({ engine, priority, every, directors }: ShopSpec): string {
  const check = 'check: { tcp: true, every: 2s, timeout: 10s }'
  const router = (name: string, device: string, id: number, address: string): string =>
    `    - { name: ${name}, interface: ${device}, id: ${id}, every: ${every}, priority: ${priority}, addresses: [${address}/24], group: both }`
  return [
    'name: shop',
    'services:',
    `  nat: { address: "${vip}:${ports.nat}", servers: [{ address: "${innerServer}:8080" }], ${check} }`,
    `  direct: { address: "${vip}:${ports.direct}", forwarding: direct, servers: [{ address: "10.99.0.${directors + 3}:${ports.direct}" }], ${check} }`,
    'directors:',
    `  engine: ${engine}`,
    '  vrrp:',
    router('outside', 'eth0', 51, vip),
    router('inside', 'eth1', 52, innerVip),
    '  sync: { interface: eth1, id: 7 }',
    '',
  ].join('\n')
}

/** Resolves when it serves. */
export async function startDirector(baton: Baton, file: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    baton
      .start(['director', '--config', file], (line) => {
        if (line.includes('director serves')) resolve()
      })
      .then(({ stderr }) => reject(new Error(stderr)), reject)
  })
}

/** How many connections a table has, as ipvsadm -Ln lists it. */
export function standingIn(listing: string): number {
  const rows = [...listing.matchAll(/^ {2}-> \S+ +\w+ +\d+ +(\d+) +(\d+)/gmu)]
  return rows.reduce((sum, [, active, inactive]) => sum + Number(active) + Number(inactive), 0)
}
