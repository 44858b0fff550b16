/** Check `ping`: an ICMP echo is answered, over IPv4 or IPv6. */
import { randomBytes } from 'node:crypto'
import { type EchoSocket, openEchoSocket } from '../../os/icmp.ts'
import type { PingCheckSpec, Probe } from '../check.ts'
import { down, failed, probing, up, type Verdict } from './verdict.ts'

/** As ping(8) and ldirectord send. */
const usualBytes = 56
/** A reply is looked for again after a quarter of the time that has passed, within these bounds. */
const soonestMs = 1
const latestMs = 40

/** Where nobody says how long all of it may take. */
const usualShareMs = 1000

/**
 * Each attempt has its share of the time; an echo that comes later counts, too. What the network says against one does
 * not end the others.
 */
export function pingProbe({ bytes = usualBytes, attempts = 1 }: PingCheckSpec, open = openEchoSocket): Probe {
  return ({ address }, { signal, from, timeoutMs = usualShareMs * attempts }) => {
    let said: Verdict = down(`no echo from ${address} in time${attempts === 1 ? '' : `, asked ${attempts} times`}`)
    return probing(
      signal,
      () => said,
      (end) => {
        let socket: EchoSocket
        try {
          socket = open(address, from)
        } catch (error) {
          end(failed(address, error))
          return () => {}
        }
        const payload = randomBytes(bytes)
        const begun = performance.now()
        let [sent, sentMs] = [0, begun]
        let timer: NodeJS.Timeout | undefined
        const isDue = (nowMs: number): boolean => sent < attempts && nowMs >= begun + (sent * timeoutMs) / attempts
        const look = (): void => {
          const nowMs = performance.now()
          try {
            if (isDue(nowMs)) {
              sent += 1
              sentMs = nowMs
              socket.send(1, payload)
            }
            if (socket.receive(1, payload)) return end(up('echoed'))
          } catch (error) {
            said = failed(address, error)
            if (sent >= attempts) return end(said)
          }
          timer = setTimeout(look, Math.min(Math.max((nowMs - sentMs) / 4, soonestMs), latestMs))
        }
        look()
        return () => {
          clearTimeout(timer)
          socket.close()
        }
      },
    )
  }
}
