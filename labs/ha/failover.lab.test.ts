/**
 * Two directors on the eBPF engine, as one: addresses, services and connections go over together. A thousand connections by
 * NAT and a thousand by direct routing stand through hand-over, cut cable, kill, and with a backup that joins late.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { execute, openBpfWorld } from '../ebpf/world.ts'
import { type Baton, openBaton } from '../hello/baton.ts'
import { isRoot } from '../net/namespaces.ts'
import { openShop, shopSpec, standingIn, startDirector, vip } from './shop.ts'
import { type Site, until } from './world.ts'

const count = 1000
/** The machine may have more to do than this. */
const longMs = 60_000

beforeAll(() => execute(process.execPath, ['scripts/build.mjs']))

type Director = { readonly baton: Baton; readonly at: number }

async function start({ baton }: Director, priority: number): Promise<void> {
  const file = join(baton.directory, 'baton.yaml')
  writeFileSync(file, shopSpec({ engine: 'ebpf', priority, every: '100ms', directors: 2 }))
  await startDirector(baton, file)
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
  return code === 0 ? standingIn(stdout) : 0
}

describe.runIf(isRoot())('failover as one', () => {
  test('no established connection is lost', { timeout: 600_000 }, async () => {
    await using bpf = await openBpfWorld()
    const shop = await openShop(2)
    await using site = shop.site
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
    const clients = await shop.openClients(count)
    const expectAll = async (what: string): Promise<void> => {
      for (const { service, answered, lost, gapMs } of await clients.report()) {
        console.log(
          `${what}, ${service}: ${answered} answered, ${lost} lost, the longest wait for an answer ${gapMs} ms`,
        )
        expect([answered, lost], `${what}, ${service}`).toEqual([count, 0])
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
