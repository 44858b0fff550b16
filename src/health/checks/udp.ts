/**
 * Check `udp`: a datagram is not refused (ICMP port unreachable), and answered as expected when an answer is expected.
 * Without one, silence is up: only the refusal says that nobody listens (udp(7), ECONNREFUSED).
 */
import { type Endpoint, formatEndpoint } from '../../lvs/service.ts'
import type { Source } from '../../os/bound-socket.ts'
import type { Probe, UdpCheckSpec } from '../check.ts'
import { boundedMatch } from './bounded-match.ts'
import { datagramSocketFrom } from './outgoing.ts'
import { down, failed, probing, shown, up, type Verdict } from './verdict.ts'

/** A refusal takes one round trip; more silence than this says no more. */
const quietMs = 1000

export function udpProbe(spec: UdpCheckSpec): Probe {
  const judge = answerJudge(spec)
  const payload = Buffer.from(spec.sendHex ?? '', 'hex')
  return (target, { signal, from }) => {
    const where = formatEndpoint(target)
    const silent = (): Verdict => (judge === undefined ? up('not refused') : down(`no answer from ${where} in time`))
    let isSent = false
    return probing(
      signal,
      () => (isSent ? silent() : down(`nothing could be sent to ${where} in time`)),
      (end) => {
        const exchange = datagrams(target, from, {
          onReady: (send) => {
            send(payload)
            isSent = true
          },
          onMessage: (message) => end(judge === undefined ? up('answered') : judge(message)),
          onError: (error) => end(failed(where, error)),
        })
        const quiet = judge === undefined ? setTimeout(() => end(silent()), quietMs) : undefined
        return () => {
          clearTimeout(quiet)
          exchange.close()
        }
      },
    )
  }
}

type DatagramEvents = {
  readonly onReady: (send: (payload: Uint8Array) => void) => void
  readonly onMessage: (message: Buffer) => void
  readonly onError: (error: Error) => void
}

/** A connected UDP socket: it hears this server only, and of its refusals. */
export function datagrams(
  target: Endpoint,
  from: Source | undefined,
  { onReady, onMessage, onError }: DatagramEvents,
): { close: () => void } {
  const socket = datagramSocketFrom(target, from)
  let isOpen = true
  socket.on('message', onMessage)
  socket.on('error', onError)
  // Called with the error where there is no way there, in spite of what its type says.
  const onConnect = (error?: Error): void => {
    if (!isOpen) return
    if (error === undefined) onReady((payload) => socket.send(payload, (error) => error && isOpen && onError(error)))
    else onError(error)
  }
  socket.connect(target.port, target.address, onConnect)
  return {
    close() {
      if (!isOpen) return
      isOpen = false
      socket.close()
    },
  }
}

function answerJudge(spec: UdpCheckSpec): ((message: Buffer) => Verdict) | undefined {
  const { expect, minimumBytes = 0, maximumBytes = 65_535 } = spec
  if (expect === undefined && spec.minimumBytes === undefined && spec.maximumBytes === undefined) return undefined
  const matches = expect === undefined ? () => 'yes' as const : matcher(expect)
  return (message) => {
    if (message.length < minimumBytes || message.length > maximumBytes)
      return down(`the answer has ${message.length} bytes`)
    const match = matches(message)
    if (match === 'yes') return up(`answered ${message.length} bytes`)
    const why = match === 'no' ? 'is not the expected one' : 'takes too long to compare'
    return down(`the answer ${why}: ${shown(message.toString('latin1'))}`)
  }
}

function matcher(expect: NonNullable<UdpCheckSpec['expect']>): (message: Buffer) => 'yes' | 'no' | 'too slow' {
  if ('pattern' in expect) {
    const matches = boundedMatch(expect.pattern)
    return (message) => matches(message.toString('latin1'))
  }
  const pattern = expect.hex.toLowerCase().split('')
  return (message) => {
    const said = message.toString('hex')
    return said.length >= pattern.length && pattern.every((digit, at) => digit === 'x' || digit === said[at])
      ? 'yes'
      : 'no'
  }
}
