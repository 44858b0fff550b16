/** Check `sip`: OPTIONS is answered with a wanted status, over UDP or TCP (RFC 3261 §11). */
import { randomBytes } from 'node:crypto'
import { type Endpoint, formatEndpoint } from '../../lvs/service.ts'
import type { Probe, SipCheckSpec } from '../check.ts'
import { converse, misspoken } from './conversation.ts'
import { datagrams } from './udp.ts'
import { down, failed, probing, shown, up, type Verdict } from './verdict.ts'

const maxHeaderLines = 256

/** `callId` tells our answer from others; provisional ones (1xx) are waited out. */
type Answer = { readonly status: number; readonly line: string; readonly callId: string | undefined }

export function sipProbe(spec: SipCheckSpec): Probe {
  return spec.transport === 'tcp' ? overTcp(spec) : overUdp(spec)
}

function overTcp(spec: SipCheckSpec): Probe {
  return (target, { signal, from }) =>
    converse(target, { signal, from }, async (talk) => {
      const callId = randomBytes(12).toString('hex')
      talk.await('no answer to OPTIONS')
      talk.send(request(spec, target, callId))
      for (;;) {
        const lines: string[] = []
        for (let line = await talk.line(); line !== ''; line = await talk.line()) {
          lines.push(line)
          if (lines.length > maxHeaderLines) throw misspoken('its answer has no end')
        }
        // RFC 3261 §7.5: empty lines may stand before a message.
        if (lines.length === 0) continue
        const answer = parseAnswer(lines)
        if (answer === undefined) throw misspoken(`the answer is none of SIP: ${shown(lines[0] ?? '')}`)
        if (answer.callId === callId && answer.status >= 200) return judged(spec, answer)
        await talk.bytes(contentLength(lines))
      }
    })
}

function overUdp(spec: SipCheckSpec): Probe {
  return (target, { signal, from }) => {
    const where = formatEndpoint(target)
    const callId = randomBytes(12).toString('hex')
    return probing(
      signal,
      () => down(`${where}: no answer to OPTIONS in time`),
      (end) => {
        const question = Buffer.from(request(spec, target, callId))
        const exchange = datagrams(target, from, {
          onReady: (send) => send(question),
          onMessage: (message) => {
            const [head = ''] = message.toString('latin1').split('\r\n\r\n', 1)
            const answer = parseAnswer(head.split('\r\n'))
            if (answer === undefined) end(down(`${where}: the answer is none of SIP: ${shown(head)}`))
            else if (answer.callId === callId && answer.status >= 200) end(judged(spec, answer))
          },
          onError: (error) => end(failed(where, error)),
        })
        return exchange.close
      },
    )
  }
}

function judged({ status }: SipCheckSpec, answer: Answer): Verdict {
  const isWanted = status.some((code) =>
    typeof code === 'number' ? code === answer.status : code[0] <= answer.status && answer.status <= code[1],
  )
  return isWanted ? up(shown(answer.line)) : down(`OPTIONS is answered with ${shown(answer.line)}`)
}

/** `rport` has the answer sent to where the question came from (RFC 3581): our own port is not known before. */
function request({ user, transport }: SipCheckSpec, target: Endpoint, callId: string): string {
  if (!/^[\x21-\x7e]+$/.test(user) || /[<>]/.test(user)) throw new Error('the user is no SIP address')
  const isIpv6 = target.address.includes(':')
  const address = user.includes('@') ? user : `${user}@${isIpv6 ? `[${target.address}]` : target.address}`
  const lines = [
    `OPTIONS sip:${address} SIP/2.0`,
    `Via: SIP/2.0/${transport.toUpperCase()} ${isIpv6 ? '[::1]' : '127.0.0.1'};branch=z9hG4bK${callId};rport`,
    'Max-Forwards: 70',
    `To: <sip:${address}>`,
    `From: <sip:${address}>;tag=${callId.slice(0, 8)}`,
    `Call-ID: ${callId}`,
    'CSeq: 1 OPTIONS',
    `Contact: <sip:${address}>`,
    'Accept: application/sdp',
    'Content-Length: 0',
  ]
  return `${lines.join('\r\n')}\r\n\r\n`
}

function header(lines: readonly string[], name: RegExp): string | undefined {
  for (const line of lines.slice(1)) {
    const [, found = '', value = ''] = /^([A-Za-z-]+)[ \t]*:[ \t]*(.*)$/.exec(line) ?? []
    if (name.test(found)) return value.trim()
  }
  return undefined
}

function parseAnswer(lines: readonly string[]): Answer | undefined {
  const [line = ''] = lines
  const status = /^SIP\/2\.0 ([1-6]\d\d)( |$)/.exec(line)?.[1]
  // RFC 3261 §7.3.3: `i` and `l` are the short names.
  return status === undefined ? undefined : { status: Number(status), line, callId: header(lines, /^(call-id|i)$/i) }
}

function contentLength(lines: readonly string[]): number {
  const value = header(lines, /^(content-length|l)$/i)
  return value !== undefined && /^\d{1,7}$/.test(value) ? Number(value) : 0
}
