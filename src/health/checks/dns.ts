/** Check `dns`: a question is answered without an error (RFC 1035 §4.1.1) and, when asked for, with what is expected. */
import { randomInt } from 'node:crypto'
import { type Decoded, decode, encode } from 'dns-packet'
import { parseAddress } from '../../lvs/address.ts'
import { type Endpoint, formatEndpoint } from '../../lvs/service.ts'
import type { DnsCheckSpec, Probe, ProbeOptions } from '../check.ts'
import { boundedMatch, type Match } from './bounded-match.ts'
import { converse } from './conversation.ts'
import { datagrams } from './udp.ts'
import { down, failed, probing, shown, up, type Verdict } from './verdict.ts'

const recursionDesired = 0x0100

export function dnsProbe(spec: DnsCheckSpec): Probe {
  const matches = spec.pattern === undefined ? undefined : boundedMatch(spec.pattern)
  const questions = [{ type: spec.type, name: spec.name.replace(/(?<=.)\.$/, '') }]
  return (target, { signal, from }) => {
    const id = randomInt(65_536)
    const query = encode({ type: 'query', id, flags: recursionDesired, questions })
    const judge = (message: Buffer): Verdict | undefined => verdictOn(spec, matches, id, message)
    return spec.transport === 'udp'
      ? overUdp(target, query, judge, { signal, from })
      : overTcp(target, query, judge, { signal, from })
  }
}

/** undefined: no answer to this question, as if it had not come. */
type Judge = (message: Buffer) => Verdict | undefined

function overUdp(target: Endpoint, query: Buffer, judge: Judge, { signal, from }: ProbeOptions) {
  const where = formatEndpoint(target)
  return probing(
    signal,
    () => down(`no answer from ${where} in time`),
    (end) =>
      datagrams(target, from, {
        onReady: (send) => send(query),
        onMessage: (message) => {
          const verdict = judge(message)
          if (verdict !== undefined) end(verdict)
        },
        onError: (error) => end(failed(where, error)),
      }).close,
  )
}

/** RFC 1035 §4.2.2: two bytes of length before each message. */
function overTcp(target: Endpoint, query: Buffer, judge: Judge, { signal, from }: ProbeOptions) {
  return converse(target, { signal, from }, async (talk) => {
    const length = Buffer.alloc(2)
    length.writeUInt16BE(query.length)
    talk.send(Buffer.concat([length, query]))
    const message = await talk.bytes((await talk.bytes(2)).readUInt16BE())
    return judge(message) ?? down('the answer is to another question')
  })
}

function verdictOn(
  { expect = [], pattern, name, type }: DnsCheckSpec,
  matches: ((text: string) => Match) | undefined,
  id: number,
  message: Buffer,
): Verdict | undefined {
  let answer: Decoded
  try {
    answer = decode(message)
  } catch {
    return down('the answer is no DNS message')
  }
  if (answer.id !== id || answer.type !== 'response') return undefined
  if (answer.rcode !== 'NOERROR') return down(`${answer.rcode} for ${name} ${type}`)
  const texts = (answer.answers as readonly Found[]).filter((record) => record.type === type).map(recordText)
  const found = `${name} ${type}: ${texts.length === 0 ? 'nothing' : shown(texts.join(', '))}`
  const isText = type === 'TXT'
  const missing = expect.find((wanted) => !texts.includes(isText ? wanted : canonical(wanted)))
  if (missing !== undefined) return down(`${found}, but not ${missing}`)
  if (matches !== undefined && !texts.some((text) => matches(text) === 'yes'))
    return down(`${found}, which does not match ${pattern}`)
  return up(found)
}

/** A record as dns-packet gives it. */
type Found = {
  readonly type: string
  readonly data: string | Buffer | readonly (string | Buffer)[] | Readonly<Record<string, string | number>>
}

/** As dig prints it; names in lower case and without the last dot, addresses in canonical form. */
function recordText({ data }: Found): string {
  if (typeof data === 'string') return canonical(data)
  if (Buffer.isBuffer(data)) return data.toString('utf8')
  if (Array.isArray(data)) return data.map(String).join('')
  const fields = data as Readonly<Record<string, string | number>>
  if (fields['target'] !== undefined) return said(fields, ['priority', 'weight', 'port', 'target'])
  if (fields['exchange'] !== undefined) return said({ preference: 0, ...fields }, ['preference', 'exchange'])
  return said(fields, ['mname', 'rname', 'serial'])
}

function said(fields: Readonly<Record<string, string | number>>, names: readonly string[]): string {
  return canonical(names.map((name) => fields[name] ?? '').join(' '))
}

/** An address in its one form; a name without the dot at its end (RFC 4343: compared without case). */
function canonical(text: string): string {
  return parseAddress(text) ?? text.replace(/(?<=.)\.$/, '').toLowerCase()
}
