/** What the master of this benchmark tells: many clients of one service, each with one connection. */
import type { PortableConnection } from '../../src/lvs/portable-connection.ts'
import type { RealServer, Service } from '../../src/lvs/service.ts'

export const syncId = 7
export const group = { group: '224.0.0.81', port: 8848 } as const

export const service: Service = {
  id: { kind: 'address', protocol: 'tcp', address: '10.50.0.1', port: 80 },
  scheduler: 'rr',
  schedulerFlags: [],
  onePacket: false,
}
export const server: RealServer = {
  address: '10.9.0.2', port: 8080, forwarding: 'masq', weight: 1, upperThreshold: 0, lowerThreshold: 0,
} // biome-ignore format: one server

const portsOfOne = 32_768

/** The same number is the same connection. */
export function connectionOf(number: number): PortableConnection {
  const client = Math.floor(number / portsOfOne)
  return {
    kind: 'connection',
    protocol: 'tcp',
    client: { address: `10.60.${client >> 8}.${client & 255}`, port: 1024 + (number % portsOfOne) },
    service: { address: '10.50.0.1', port: 80 },
    server: { address: '10.9.0.2', port: 8080 },
    mark: 0,
    forwarding: 'masq',
    isInputOnly: false,
    state: 'ESTABLISHED',
    timeoutSeconds: 900,
  }
}
