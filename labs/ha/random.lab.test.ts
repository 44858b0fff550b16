/** Three routers, of which one is keepalived, through a random run of hand-overs, cut cables, other priorities, kills and new starts. */
import { describe, expect, test } from 'vitest'
import { seededRandom } from '../ipvs/random/chance.ts'
import { isRoot } from '../net/namespaces.ts'
import { addressOf, type Kind, ours, theirs } from './instance.ts'
import { type BatonRouter, type Keepalived, Site, until } from './world.ts'

const kinds: readonly Kind[] = [
  { name: 'version 2', version: 2, family: 'ipv4', intervalMs: 1000 },
  { name: 'version 3', version: 3, family: 'ipv4', intervalMs: 200 },
  { name: 'version 3 over IPv6', version: 3, family: 'ipv6', intervalMs: 200 },
]
const events = Number(process.env['HA_LAB_EVENTS'] ?? 25)
/** One that hears another gives way at once; the machine may be busy. */
const overlapMs = 500
const priorities = [150, 120, 90] as const
const keepalivedAt = 1

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

describe.runIf(isRoot())('three routers of one id', () => {
  test.concurrent.each(kinds)(
    '$name: whatever happens, no two are master beside each other',
    { timeout: 900_000 },
    async (kind) => {
      await using site = await Site.open(3)
      const address = addressOf[kind.family]
      const random = seededRandom(Number(process.env['HA_LAB_SEED'] ?? 1))
      const begin = {
        baton: (at: 0 | 2): Promise<BatonRouter> => site.baton(at, ours(kind, priorities[at])),
        keepalived: (priority: number): Promise<Keepalived> => site.keepalived(keepalivedAt, theirs(kind, priority)),
      }
      let keepalived: Keepalived | undefined = await begin.keepalived(priorities[keepalivedAt])
      const [first, begun] = [await begin.baton(0), await begin.baton(2)]
      let last = begun
      const cut = new Set<number>()
      const seen: string[] = []
      const counts = { none: 0, one: 0 }

      const look = async (): Promise<void> => {
        let holders = await site.holders(address)
        if (holders.length > 1) {
          await wait(overlapMs)
          holders = await site.holders(address)
        }
        if (holders.length === 0) counts.none += 1
        else counts.one += 1
        expect(holders.length, seen.join(', ')).toBeLessThan(2)
      }
      /** As if the machine had died: what it had is gone. */
      const die = async (at: number, router: { kill(): Promise<void> } | undefined): Promise<void> => {
        await router?.kill()
        await site.run(at, 'ip', 'address', 'flush', 'dev', 'eth0', 'to', address)
      }
      const acts: Readonly<Record<string, () => unknown>> = {
        'hand over': () => first.order({ kind: 'yield' }),
        'take back': () => first.order({ kind: 'resume' }),
        ...Object.fromEntries(
          [0, 1, 2].map((at) => [
            `cable ${at}`,
            async () => {
              await site.cable(at, cut.has(at) ? 'up' : 'down')
              if (!cut.delete(at)) cut.add(at)
            },
          ]),
        ),
        'end or begin keepalived': async () => {
          await keepalived?.end()
          keepalived = keepalived === undefined ? await begin.keepalived(priorities[keepalivedAt]) : undefined
        },
        'another priority of keepalived': () => keepalived?.reload(theirs(kind, random.pick([60, 120, 200]))),
        'kill keepalived, and begin again': async () => {
          await die(keepalivedAt, keepalived)
          keepalived = await begin.keepalived(priorities[keepalivedAt])
        },
        'kill Baton, and begin again': async () => {
          await die(2, last)
          last = await begin.baton(2)
        },
      }
      for (let event = 0; event < events; event++) {
        const name = random.pick(Object.keys(acts))
        seen.push(name)
        await acts[name]?.()
        // Looked at at least once in every second.
        await wait(random.below(1000))
        await look()
      }
      const looks = counts.one + counts.none
      console.log(
        `${kind.name}: ${events} events, ${looks} looks: one master in ${counts.one}, none yet in ${counts.none}, never two`,
      )
      for (const at of cut) await site.cable(at, 'up')
      first.order({ kind: 'resume' })
      await keepalived?.reload(theirs(kind, priorities[keepalivedAt]))
      const isFirst = async (): Promise<boolean> => (await site.holders(address)).join() === '0'
      await until('the highest priority is master in the end', isFirst, 60_000)
      expect((await first.status())[0]).toMatchObject({ state: 'master', faults: [] })
    },
  )
})
