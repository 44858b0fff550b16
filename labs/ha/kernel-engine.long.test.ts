/**
 * Two directors as one, of which one is on the kernel's IPVS: Linux 6.1 in a guest, with Baton in it, beside a Baton on the eBPF
 * engine in a namespace. What each has, the other one gets by the kernel's protocol; what the kernel's own daemon says, and hears.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { execute, openBpfWorld } from '../ebpf/world.ts'
import { openBaton } from '../hello/baton.ts'
import { openMachine } from '../kernel/machine.ts'
import { isRoot } from '../net/namespaces.ts'
import { type Clients, inside, openShop, shopSpec, standingIn, startDirector, vip } from './shop.ts'
import { until } from './world.ts'

const root = join(import.meta.dirname, '../..')
const count = 100
/** A guest without hardware virtualization, on a machine that may have more to do. */
const longMs = 180_000
const spec = (engine: 'ebpf' | 'ipvs', priority: number): string =>
  shopSpec({ engine, priority, every: '500ms', directors: 1 })

const prelude = `
export BATON_RUNTIME_DIR=/run/b BATON_STATE_DIR=/run/s BATON_CACHE_DIR=/run/c
baton=${root}/bin/baton
`
const setUp = `
for at in 0 1; do ip link set eth$at up; done
ip address add 10.99.0.9/24 dev eth0
ip address add 10.98.0.9/24 dev eth1
sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.default.send_redirects=0
sysctl -qw net.ipv4.conf.eth0.send_redirects=0 net.ipv4.conf.eth1.send_redirects=0
cat > /run/baton.yaml <<END
${spec('ipvs', 150)}END
`
const begin = '$baton director --config /run/baton.yaml >> /run/log 2>&1 3>&- &\necho $! > /run/director'

describe.runIf(isRoot())('failover with the kernel’s IPVS', () => {
  beforeAll(() => execute(process.execPath, ['scripts/build.mjs']))

  test('no established connection is lost', { timeout: 1_200_000 }, async () => {
    await using bpf = await openBpfWorld()
    const shop = await openShop(1)
    await using site = shop.site
    await using baton = openBaton(site.inside(0))
    baton.environment['BATON_BPF_DIR'] = bpf.bpfFileSystem
    const taps = ['guest0', 'guest1']
    const within = await site.tap('guest0')
    await site.tap('guest1', inside)
    await using guest = await openMachine({ signal: AbortSignal.timeout(1_200_000), taps, within })
    const there = async (script: string): Promise<string> => {
      const { code, output } = await guest.run(prelude + script)
      if (code !== 0) throw new Error(`${script}: ${code}: ${output}\n${(await guest.run('cat /run/log')).output}`)
      return output
    }
    const holds = async (): Promise<[boolean, boolean]> => [
      (await there('ip -o address')).includes(` ${vip}/`),
      (await site.holders(vip)).includes(0),
    ]
    const at = (what: string, ...wanted: [boolean, boolean]): Promise<number> =>
      until(what, async () => (await holds()).join() === wanted.join(), longMs)
    const all: Clients[] = []
    const expectAll = async (what: string): Promise<void> => {
      for (const [batch, clients] of all.entries())
        for (const { service, answered, lost, gapMs } of await clients.report()) {
          const where = `${what}, ${service}, ${['begun at the kernel', 'begun at eBPF'][batch]}`
          console.log(`${where}: ${answered} answered, ${lost} lost, the longest wait for an answer ${gapMs} ms`)
          expect([answered, lost], where).toEqual([count, 0])
        }
    }
    const here = async (): Promise<number> => standingIn((await baton.run('ipvsadm', '-Ln')).stdout)
    const kernels = async (): Promise<number> => standingIn(await there('ipvsadm -Ln'))

    await there(setUp + begin)
    await at('the kernel’s is master', true, false)
    expect(await there('ipvsadm -L --daemon')).toMatch(/^master sync daemon \(mcast=eth1, syncid=7/u)
    const file = join(baton.directory, 'baton.yaml')
    writeFileSync(file, spec('ebpf', 100))
    await startDirector(baton, file)
    all.push(await shop.openClients(count))
    await expectAll('before')
    await until('eBPF has what the kernel told', async () => (await here()) >= 2 * count, longMs)

    await there('$baton director handover')
    await at('handed over', false, true)
    await expectAll('handed over')
    await until('the kernel hears', async () => (await there('ipvsadm -L --daemon')).startsWith('backup'), longMs)
    all.push(await shop.openClients(count))
    await until('the kernel has what eBPF told', async () => (await kernels()) >= 4 * count, longMs)
    await there('$baton director handover outside --back; $baton director handover inside --back')
    await at('taken back', true, false)
    await expectAll('taken back')

    await guest.cable(0, 'down')
    await at('the cable is cut', false, true)
    await expectAll('the cable is cut')
    await guest.cable(0, 'up')
    await at('the cable is in again', true, false)
    await expectAll('the cable is in again')

    // Its kernel goes on, and has the addresses still: both lead on what comes to them.
    await there('kill -9 $(cat /run/director)')
    await at('its daemon is killed', true, true)
    await expectAll('its daemon is killed')
    await there(begin)
    await at('it has begun again', true, false)
    await expectAll('it has begun again')

    await guest.kill()
    await until('the machine is dead', async () => (await site.holders(vip)).includes(0), longMs)
    await expectAll('the machine is dead')
  })
})
