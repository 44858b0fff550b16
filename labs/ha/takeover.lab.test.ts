/** Two Batons that advertise each 100 ms: how long until the other one has the address after a kill. Printed, not asserted. */
import { describe, expect, test } from 'vitest'
import { masterDownMs } from '../../src/vrrp/machine/timers.ts'
import { isRoot } from '../net/namespaces.ts'
import { alone, Site, until } from './world.ts'

const intervalMs = 100
const kills = 5

describe.runIf(isRoot())('takeover', () => {
  test('the other one is master after each kill', async () => {
    await using site = await Site.open(2)
    const second = await site.baton(1, alone({ intervalMs, priority: 100 }))
    const turnedMaster = (): number =>
      second.said.filter((one) => one.kind === 'vrrp.turned' && one.to === 'master').length
    const took: number[] = []
    for (let kill = 0; kill < kills; kill++) {
      const first = await site.baton(0, alone({ intervalMs, priority: 200 }))
      await until('the first has it', async () => (await first.status())[0]?.state === 'master')
      await until('the second has not', async () => (await second.status())[0]?.state === 'backup')
      const before = turnedMaster()
      await first.kill()
      took.push(await until('the second has it', async () => turnedMaster() > before))
    }
    const formula = masterDownMs({ version: 3, downAdverts: 3 }, 100, intervalMs)
    console.log(
      `took over after ${took.map((ms) => ms.toFixed(0)).join(', ')} ms; by the formula within ${formula.toFixed(0)} ms`,
    )
    expect(took).toHaveLength(kills)
  })
})
