/**
 * Two directors on the eBPF engine, as one: addresses, services and connections go over together. A thousand connections by
 * NAT and a thousand by direct routing stand through hand-over, cut cable, kill, and with a backup that joins late.
 */
import type { ChildProcess } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { beforeAll, describe, expect, test } from 'vitest'
import { execute, openBpfWorld } from '../ebpf/world.ts'
import { type Baton, openBaton } from '../hello/baton.ts'
import { isRoot } from '../net/namespaces.ts'
import type { Report } from './steady-client.ts'
import { Site, until } from './world.ts'

const count = 1000
const vip = '10.99.0.100'
const ports = { nat: 80, direct: 81 } as const
/** The machine may have more to do than this. */
const longMs = 60_000
const [client, natServer, directServer] = [2, 3, 4] as const

beforeAll(() => execute(process.execPath, ['scripts/build.mjs']))

/** Behind the directors: the NAT server, whose way back is the inner virtual address; beside them, the one of direct routing. */
async function openWorld(): Promise<Site> {
  const site = await Site.open(5)
  await site.run(natServer, 'ip', 'link', 'set', 'eth0', 'down')
  await site.run(natServer, 'ip', 'link', 'add', 'br1', 'type', 'bridge', 'mcast_snooping', '0')
  await site.run(natServer, 'ip', 'address', 'add', '10.98.0.10/24', 'dev', 'br1')
  await site.run(natServer, 'ip', 'link', 'set', 'br1', 'up')
  await site.run(natServer, 'ip', 'route', 'add', 'default', 'via', '10.98.0.254')
  for (const at of [0, 1]) {
    const port = `in${at}`
    await site.run(at, 'ip', 'link', 'add', 'eth1', 'type', 'veth', 'peer', 'name', port, 'netns', site.name(natServer))
    await site.run(at, 'ip', 'address', 'add', `10.98.0.${at + 1}/24`, 'dev', 'eth1')
    await site.run(at, 'ip', 'link', 'set', 'eth1', 'up')
    await site.run(natServer, 'ip', 'link', 'set', port, 'master', 'br1', 'up')
  }
  const quiet = ['net.ipv4.conf.all.arp_ignore=1', 'net.ipv4.conf.all.arp_announce=2']
  await site.run(directServer, 'sysctl', '-qw', ...quiet)
  await site.run(directServer, 'ip', 'address', 'add', `${vip}/32`, 'dev', 'lo')
  const echo = join(import.meta.dirname, 'echo-server.ts')
  site.start(natServer, process.execPath, '--import', 'tsx', echo, '8080')
  site.start(directServer, process.execPath, '--import', 'tsx', echo, String(ports.direct))
  return site
}

type Director = { readonly baton: Baton; readonly at: number }

function specOf({ baton }: Director, priority: number): string {
  const file = join(baton.directory, 'baton.yaml')
  const check = 'check: { tcp: true, every: 2s, timeout: 10s }'
  const router = (name: string, device: string, id: number, address: string): string =>
    `    - { name: ${name}, interface: ${device}, id: ${id}, every: 100ms, priority: ${priority}, addresses: [${address}/24], group: both }`
  writeFileSync(
    file,
    [
      'name: shop',
      'services:',
      `  nat: { address: "${vip}:${ports.nat}", servers: [{ address: "10.98.0.10:8080" }], ${check} }`,
      `  direct: { address: "${vip}:${ports.direct}", forwarding: direct, servers: [{ address: "10.99.0.5:${ports.direct}" }], ${check} }`,
      'directors:',
      '  engine: ebpf',
      '  vrrp:',
      router('outside', 'eth0', 51, vip),
      router('inside', 'eth1', 52, '10.98.0.254'),
      '  sync: { interface: eth1, id: 7 }',
    ].join('\n'),
  )
  return file
}

async function start(director: Director, priority: number): Promise<void> {
  const file = specOf(director, priority)
  const command = ['director', '--engine', 'ebpf', '--config', file]
  await new Promise<void>((resolve, reject) => {
    director.baton
      .start(command, (line) => {
        if (line.includes('director serves')) resolve()
      })
      .then(({ stderr }) => reject(new Error(stderr)), reject)
  })
}

/** As if the machine had died: nothing of it answers any more. */
async function kill(site: Site, { baton, at }: Director): Promise<void> {
  for (const pid of baton.processes()) process.kill(pid, 'SIGKILL')
  for (const device of ['eth0', 'eth1'])
    await site.run(at, 'ip', 'address', 'flush', 'dev', device, 'to', '10.96.0.0/11')
}

/** How many connections its table has. */
async function standing({ baton }: Director): Promise<number> {
  const { code, stdout } = await baton.run('ipvsadm', '-Ln')
  if (code !== 0) return 0
  const rows = [...stdout.matchAll(/^ {2}-> \S+ +\w+ +\d+ +(\d+) +(\d+)/gmu)]
  return rows.reduce((sum, [, active, inactive]) => sum + Number(active) + Number(inactive), 0)
}

type Clients = { report(): Promise<Report> }

async function openClients(site: Site, port: number): Promise<Clients> {
  const program = join(import.meta.dirname, 'steady-client.ts')
  const child: ChildProcess = site.begin(
    client,
    process.execPath,
    '--import',
    'tsx',
    program,
    vip,
    String(port),
    String(count),
  )
  const lines = createInterface({ input: child.stdout ?? process.stdin })[Symbol.asyncIterator]()
  const next = async (): Promise<Report> => {
    const { value, done } = await lines.next()
    if (done === true) throw new Error('the clients have ended')
    return JSON.parse(value) as Report
  }
  await next()
  return {
    report() {
      child.stdin?.write('report\n')
      return next()
    },
  }
}

describe.runIf(isRoot())('failover as one', () => {
  test('no established connection is lost', { timeout: 600_000 }, async () => {
    await using bpf = await openBpfWorld()
    await using site = await openWorld()
    await using first = openBaton(site.inside(0))
    await using second = openBaton(site.inside(1))
    for (const { environment } of [first, second]) environment['BATON_BPF_DIR'] = bpf.bpfFileSystem
    const [one, two]: [Director, Director] = [
      { baton: first, at: 0 },
      { baton: second, at: 1 },
    ]
    const at = (what: string, ...places: number[]): Promise<number> =>
      until(what, async () => (await site.holders(vip)).filter((place) => place < 2).join() === places.join(), longMs)
    await start(one, 150)
    await at('the first is master', 0)
    await start(two, 100)
    const clients = { nat: await openClients(site, ports.nat), direct: await openClients(site, ports.direct) }
    const expectAll = async (what: string): Promise<void> => {
      for (const [how, one] of Object.entries(clients)) {
        const { answered, lost, gapMs } = await one.report()
        console.log(`${what}, ${how}: ${answered} answered, ${lost} lost, the longest wait for an answer ${gapMs} ms`)
        expect([answered, lost], `${what}, ${how}`).toEqual([count, 0])
      }
    }
    const synchronised = (director: Director): Promise<number> =>
      until('all connections stand there, too', async () => (await standing(director)) >= 2 * count, longMs)
    await expectAll('before')
    await synchronised(two)

    const handOver = async (...more: string[]): Promise<void> =>
      expect((await first.run('director', 'handover', ...more)).code).toBe(0)
    await handOver()
    await at('handed over', 1)
    await expectAll('handed over')
    for (const router of ['outside', 'inside']) await handOver(router, '--back')
    await at('taken back', 0)
    await expectAll('taken back')

    await site.cable(0, 'down')
    await at('the cable is cut', 1)
    await expectAll('the cable is cut')
    await site.cable(0, 'up')
    await at('the cable is in again', 0)
    await expectAll('the cable is in again')

    await kill(site, one)
    await at('killed', 1)
    await expectAll('killed')

    // Of what it had nothing is left: all that it gets, it gets from the other one.
    expect((await first.run('director', 'stop', '--flush')).code).toBe(0)
    await site.run(0, 'ip', 'address', 'replace', '10.99.0.1/24', 'dev', 'eth0')
    await site.run(0, 'ip', 'address', 'replace', '10.98.0.1/24', 'dev', 'eth1')
    await start(one, 50)
    await synchronised(one)
    await kill(site, two)
    await at('the one that joined late takes over', 0)
    await expectAll('the one that joined late')
  })
})
