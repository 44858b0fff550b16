/** Check `ldap`: bind, a search for one entry on request, unbind; TLS by StartTLS on request (RFC 4511). */
import {
  type BerElement,
  berLengthBytes,
  berTags,
  decodeBer,
  decodeBerInteger,
  decodeBerLength,
  encodeBer,
  encodeBerInteger,
  encodeBerText,
} from '../../wire/ber.ts'
import type { LdapCheckSpec, Probe } from '../check.ts'
import { boundedMatch } from './bounded-match.ts'
import { type Conversation, converse, misspoken } from './conversation.ts'
import { encodeLdapFilter } from './ldap-filter.ts'
import { securing } from './securing.ts'
import { shown, up } from './verdict.ts'

/** The application tags of RFC 4511 §4. */
const operations = {
  bind: 0x60,
  bound: 0x61,
  unbind: 0x42,
  search: 0x63,
  entry: 0x64,
  done: 0x65,
  reference: 0x73,
} as const
const extended = { request: 0x77, response: 0x78, startTls: '1.3.6.1.4.1.1466.20037' } as const

export function ldapProbe(spec: LdapCheckSpec): Probe {
  const { tls, starttls } = securing(spec)
  const matches = boundedMatch(spec.pattern ?? '')
  return (target, { signal, from }) =>
    converse(target, { signal, from, tls }, async (talk) => {
      if (starttls !== undefined) {
        const name = encodeBerText(extended.startTls, 0x80)
        await ask(talk, 1, 'StartTLS', encodeBer(extended.request, name), extended.response)
        talk.await('no TLS handshake')
        await talk.startTls(starttls)
      }
      await ask(talk, 2, 'the bind', bindRequest(spec), operations.bound)
      const name = spec.base === undefined ? undefined : await searched(talk, spec.base, spec.filter)
      send(talk, 4, encodeBer(operations.unbind))
      if (name === undefined) return up('the bind is accepted')
      const match = matches(name)
      if (match === 'yes') return up(`${shown(name)} is there`)
      throw misspoken(match === 'no' ? `the entry is ${shown(name)}` : 'the pattern takes too long')
    })
}

function send(talk: Conversation, id: number, operation: Uint8Array): void {
  talk.send(encodeBer(berTags.sequence, encodeBerInteger(id), operation))
}

/** §4.2: version 3, a simple bind; anonymous with neither name nor password. */
function bindRequest({ login }: LdapCheckSpec): Uint8Array {
  const { user = '', password = '' } = login ?? {}
  return encodeBer(operations.bind, encodeBerInteger(3), encodeBerText(user), encodeBerText(password, 0x80))
}

/** Sends a request, and reads its answer, which must be a success. */
async function ask(talk: Conversation, id: number, name: string, request: Uint8Array, wanted: number): Promise<void> {
  talk.await(`no answer to ${name}`)
  send(talk, id, request)
  const { tag, value } = await readOperation(talk, id)
  if (tag !== wanted) throw misspoken(`${name} is answered with something else`)
  succeeded(value, name)
}

/** The name of the one entry that a search of the base finds; §4.5. */
async function searched(talk: Conversation, base: string, filter = '(objectClass=*)'): Promise<string> {
  const encoded = encodeLdapFilter(filter)
  if (!('bytes' in encoded)) throw misspoken(`the filter is none: ${encoded.expected} expected`)
  talk.await('no answer to the search')
  const request = encodeBer(
    operations.search,
    encodeBerText(base),
    encodeBerInteger(0, berTags.enumerated), // the base object alone
    encodeBerInteger(0, berTags.enumerated), // aliases stay
    encodeBerInteger(2), // one entry too many is enough to know
    encodeBerInteger(0),
    encodeBer(berTags.boolean, Uint8Array.of(0)),
    encoded.bytes,
    encodeBer(berTags.sequence, encodeBerText('1.1')), // no attributes (§4.5.1.8)
  )
  send(talk, 3, request)
  const names: string[] = []
  while (names.length < 2) {
    const { tag, value } = await readOperation(talk, 3)
    if (tag === operations.done) {
      succeeded(value, 'the search')
      break
    }
    if (tag === operations.entry) names.push(new TextDecoder().decode(parsed(value)[0]?.value))
    else if (tag !== operations.reference) throw misspoken('the search is answered with something else')
  }
  const [name] = names
  if (name === undefined || names.length > 1) throw misspoken(`the search finds ${names.length} entries, not one`)
  return name
}

/** §4.1.9: a result's code, the name it matched, and what the server says. */
function succeeded(result: Uint8Array, name: string): void {
  const [code, , message] = parsed(result)
  if (code?.tag !== berTags.enumerated) throw misspoken(`${name} is answered with something else`)
  const number = decodeBerInteger(code)
  if (number === 0) return
  const text = new TextDecoder().decode(message?.value)
  throw misspoken(`${name} fails with result ${number}${text === '' ? '' : `: ${shown(text)}`}`)
}

/** One message (§4.1.1), read as long as it says it is. */
async function readOperation(talk: Conversation, id: number): Promise<BerElement> {
  const [tag = 0, second = 0] = await talk.bytes(2)
  if (tag !== berTags.sequence) throw misspoken('it does not speak LDAP')
  const count = berLengthBytes(second)
  if (count > 4) throw misspoken('it does not speak LDAP')
  const length = decodeLength(second, await talk.bytes(count))
  const [messageId, operation] = parsed(await talk.bytes(length))
  if (messageId === undefined || operation === undefined) throw misspoken('it does not speak LDAP')
  // Message 0 is the server's own: a notice that it disconnects (§4.4.1).
  const said = decodeId(messageId)
  if (said === 0) throw misspoken('it disconnects')
  if (said !== id) throw misspoken('it answers something else')
  return operation
}

const decodeLength = (second: number, more: Uint8Array): number => wellFormed(() => decodeBerLength(second, more))
const decodeId = (element: BerElement): number => wellFormed(() => decodeBerInteger(element))
const parsed = (bytes: Uint8Array): readonly BerElement[] => wellFormed(() => decodeBer(bytes))

function wellFormed<T>(decode: () => T): T {
  try {
    return decode()
  } catch {
    throw misspoken('it does not speak LDAP')
  }
}
