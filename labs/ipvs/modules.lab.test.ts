/** Modules of IPVS on a kernel that has not loaded them: what `auto` finds, what is loaded when, what is said where they are not. */
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { underOtherKernel } from '../kernel/guest.ts'
import type { Probed } from './modules-probe.ts'

const root = join(import.meta.dirname, '../..')

/** The boot of the guest has loaded them; its machine has no list of modules of this kernel. */
const script = `export HOME=/root PATH=${process.env['PATH'] ?? ''}
rmmod ip_vs_wlc ip_vs_rr ip_vs || exit
cd ${root}
node --import tsx labs/ipvs/modules-probe.ts
`

let probed: Probed
beforeAll(async () => {
  const { code, output } = await underOtherKernel(script, { signal: AbortSignal.timeout(300_000) })
  if (code !== 0) throw new Error(output)
  probed = JSON.parse(output) as Probed
}, 320_000)

describe('where IPVS is not loaded', () => {
  test('auto has three answers, and an engine with each', () => {
    const { noList, otherModules, notLoaded, inUse } = probed
    expect(noList).toEqual({
      presence: expect.stringMatching(/^unknown: there is no \S+modules\.dep that could say whether/) as string,
      engine: 'ebpf',
    })
    expect(otherModules).toEqual({
      presence: expect.stringMatching(/^absent: there is no module ip_vs for Linux/) as string,
      engine: 'ebpf',
    })
    for (const asked of [notLoaded, inUse]) expect(asked).toEqual({ presence: 'there', engine: 'ipvs' })
  })

  test('asking loads nothing, the engine loads it, and a scheduler comes with the first service that names it', () => {
    const { before, opened, scheduler } = probed.loaded
    expect([before, opened, scheduler]).toEqual([[], ['ip_vs'], ['ip_vs', 'ip_vs_wlc']])
    expect(probed.schedulers).toEqual(['rr', 'wlc'])
  })

  test('what this kernel has not is refused by name', () => {
    expect(probed.refused).toMatch(
      /^unsupported: the module ip_vs cannot be loaded: modprobe: FATAL: Module ip_vs not found/,
    )
    expect(probed.missingScheduler).toBe('unsupported: sctp 10.50.0.1:81: the ipvs engine has no scheduler mh')
    expect(probed.missingSysctl).toMatch(/^unsupported: the module ip_vs_lblc cannot be loaded/)
  })

  test('conntrack is set, and set back', () => {
    expect(probed.conntrack).toEqual(['1', '0'])
  })
})
