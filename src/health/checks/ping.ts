/** Check `ping`: an ICMP echo is answered, over IPv4 or IPv6. */
import { randomBytes } from 'node:crypto'
import { type EchoSocket, openEchoSocket } from '../../os/icmp.ts'
import type { PingCheckSpec, Probe } from '../check.ts'
import { down, failed, probing, up } from './verdict.ts'

/** As ping(8) and ldirectord send. */
const usualBytes = 56
/** A reply is looked for again after a quarter of the time that has passed, within these bounds. */
const soonestMs = 1
const latestMs = 40

export function pingProbe({ bytes = usualBytes }: PingCheckSpec): Probe {
  return ({ address }, { signal }) =>
    probing(
      signal,
      () => down(`no echo from ${address} in time`),
      (end) => {
        let socket: EchoSocket
        try {
          socket = openEchoSocket(address)
        } catch (error) {
          end(failed(address, error))
          return () => {}
        }
        const payload = randomBytes(bytes)
        const begun = performance.now()
        let timer: NodeJS.Timeout | undefined
        const look = (): void => {
          try {
            if (socket.receive(1, payload)) return end(up('echoed'))
          } catch (error) {
            return end(failed(address, error))
          }
          const passedMs = performance.now() - begun
          timer = setTimeout(look, Math.min(Math.max(passedMs / 4, soonestMs), latestMs))
        }
        try {
          socket.send(1, payload)
          look()
        } catch (error) {
          end(failed(address, error))
        }
        return () => {
          clearTimeout(timer)
          socket.close()
        }
      },
    )
}
