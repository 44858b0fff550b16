import { describe, expect, test } from 'vitest'
import type { Interface } from '../../os/interfaces.ts'
import { onlyPathTaken } from './own-session.ts'

const named = (name: string, kind: Interface['kind'] = 'ethernet'): Interface => ({
  name,
  kind,
  index: 2,
  isUp: true,
  portOf: undefined,
  address: new Uint8Array(6),
  bus: undefined,
})
const session = { client: '192.0.2.7', clientPort: 50_000, server: '192.0.2.1' }

describe('the only path of an SSH session', () => {
  test.each([
    { name: 'is taken', by: 'eth0', others: ['eth0'], taken: [named('eth0')], found: 'eth0' },
    { name: 'is left alone', by: 'eth0', others: ['eth0'], taken: [named('eth1')], found: undefined },
    { name: 'is not the only one', by: 'eth0', others: ['eth0', 'eth1'], taken: [named('eth0')], found: undefined },
    {
      name: 'has a second that is taken, too',
      by: 'eth0',
      others: ['eth0', 'eth1'],
      taken: [named('eth0'), named('eth1')],
      found: 'eth0',
    },
    { name: 'is this machine', by: 'lo', others: [], taken: [named('lo', 'loopback')], found: undefined },
    { name: 'is not known', by: undefined, others: [], taken: [named('eth0')], found: undefined },
  ])('$name', ({ by, others, taken, found }) => {
    expect(onlyPathTaken({ session, interface: by, others: new Set(others) }, taken)).toBe(found)
  })
})
