import { describe, expect, test } from 'vitest'
import { openDescriptors, probe } from '../../../test/build/servers.ts'
import { openEchoSocket } from '../../os/icmp.ts'

/** Why there is no ping here; undefined when there is. */
function whyNot(): string | undefined {
  try {
    openEchoSocket('127.0.0.1').close()
    return undefined
  } catch (error) {
    return String(error)
  }
}

const reason = whyNot()
if (reason !== undefined) console.warn(`check ping is not tested: ${reason}`)

describe.skipIf(reason !== undefined)('check ping', () => {
  test.each(['127.0.0.1', '127.1.2.3', '::1'])('%s echoes', async (address) => {
    const before = openDescriptors()
    expect(await probe({ kind: 'ping' }, 0, address)).toMatchObject({ healthy: true, detail: 'echoed' })
    expect(openDescriptors()).toBeLessThanOrEqual(before)
  })

  test.each([0, 1, 1400, 60_000])('with %i bytes', async (bytes) => {
    expect((await probe({ kind: 'ping', bytes }, 0, '127.0.0.1', 2000)).healthy).toBe(true)
  })

  test('many at once are told apart', async () => {
    const addresses = Array.from({ length: 50 }, (_, index) => `127.0.1.${index + 1}`)
    const before = openDescriptors()
    const results = await Promise.all(addresses.map((address) => probe({ kind: 'ping' }, 0, address, 2000)))
    expect(results.filter(({ healthy }) => healthy)).toHaveLength(50)
    expect(openDescriptors()).toBeLessThanOrEqual(before)
  })

  test.each(['0.0.0.1', '255.255.255.255'])('%s cannot be reached', async (address) => {
    const before = openDescriptors()
    expect(await probe({ kind: 'ping' }, 0, address)).toMatchObject({ healthy: false })
    expect(openDescriptors()).toBeLessThanOrEqual(before)
  })
})
