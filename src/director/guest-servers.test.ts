import { describe, expect, test } from 'vitest'
import { buildService } from '../../test/build/services.ts'
import type { EngineName } from '../engines/engine.ts'
import type { ServiceStatus } from './control.ts'
import { busyConnections, careOf } from './guest-servers.ts'

const server = (guest: string, active: number, inactive: number) => ({ guest, active, inactive })
const service = (protocol: 'tcp' | 'udp', ...servers: object[]): ServiceStatus =>
  ({
    service: buildService({ id: { kind: 'address', protocol, address: '127.0.0.1', port: 80 } }),
    servers,
  }) as unknown as ServiceStatus
const services = [
  service('tcp', server('web-1', 2, 30), server('web-2', 500, 500)),
  service('udp', server('web-1', 0, 4)),
]

describe('what a guest still has to do', () => {
  test.each<{ engine: EngineName; busy: number; why: string }>([
    { engine: 'userspace', busy: 36, why: 'every connection is one that would be cut off' },
    { engine: 'ebpf', busy: 6, why: 'closed TCP connections are only remembered' },
    { engine: 'ipvs', busy: 6, why: 'closed TCP connections are only remembered' },
  ])('with the $engine engine $why', ({ engine, busy }) => {
    expect(busyConnections({ engine, services }, 'web-1')).toBe(busy)
  })

  test('its pool says how it is treated', () => {
    const web = { pool: 'web', guests: ['web-1'], drainMs: 5 }
    expect(careOf([{}, { guests: [web] }], 'web-1')).toBe(web)
    expect(careOf([{}, { guests: [web] }], 'web-2')).toBeUndefined()
  })
})
