/** Check `pgsql`: a login, and a query on request. PostgreSQL's frontend/backend protocol, version 3.0. */
import { createHash } from 'node:crypto'
import type { Login, Probe, SqlCheckSpec } from '../check.ts'
import { type Conversation, converse, misspoken } from './conversation.ts'
import { scram } from './scram.ts'
import { shown, up } from './verdict.ts'

const version3 = 196_608
const tlsRequest = 80_877_103
/** What an authentication message wants. */
const wants = { nothing: 0, password: 3, md5: 5, sasl: 10, saslContinue: 11, saslFinal: 12 } as const
/** Starting up or shutting down, and no connection left: such a server takes no clients, whatever else it answers. */
const unready = ['57P01', '57P02', '57P03', '53300']
/** A server may send notices and settings for as long as it likes; this is enough. */
const maxMessages = 512

type Message = { readonly type: string; readonly body: Buffer }

export function pgsqlProbe(spec: SqlCheckSpec): Probe {
  return (target, { signal, from }) =>
    converse(target, { signal, from }, async (talk) => {
      if (spec.tls !== undefined) {
        talk.await('no answer to the wish for TLS')
        talk.send(framed(undefined, integer(tlsRequest)))
        const answer = (await talk.bytes(1)).toString('latin1')
        if (answer !== 'S') throw misspoken(answer === 'N' ? 'it does not offer TLS' : 'it does not speak PostgreSQL')
        talk.await('no TLS handshake')
        await talk.startTls(spec.tls)
      }
      const { login = { user: 'baton', password: '' } } = spec
      const database = spec.database ?? login.user
      talk.await('no answer to the login')
      const settings = ['user', login.user, 'database', database, 'application_name', 'baton', ''].join('\0')
      talk.send(framed(undefined, integer(version3), Buffer.from(`${settings}\0`)))
      if (spec.login === undefined) return up(await answersLogins(talk))
      await authenticated(talk, login)
      if (spec.query !== undefined) await queried(talk, spec.query)
      talk.send(framed('X'))
      talk.finish()
      return up(spec.query === undefined ? 'the login is accepted' : 'the query gives rows')
    })
}

/** As pg_isready sees it: any answer to a login, a refusal too, unless it says that the server is not ready. */
async function answersLogins(talk: Conversation): Promise<string> {
  const { type, body } = await readMessage(talk)
  if (type === 'R') return 'it answers logins'
  if (type !== 'E') throw misspoken('it does not speak PostgreSQL')
  if (unready.includes(fields(body).get('C') ?? '')) throw misspoken(errorText(body))
  return 'it answers logins'
}

async function authenticated(talk: Conversation, login: Login): Promise<void> {
  let proof: ReturnType<typeof scram> | undefined
  for (let count = 0; count < maxMessages; count++) {
    const { type, body } = await readMessage(talk)
    if (type === 'Z') return
    if (type === 'E') throw misspoken(`the login fails: ${errorText(body)}`)
    if (type !== 'R') continue
    if (body.length < 4) throw misspoken('it does not speak PostgreSQL')
    const want = body.readUInt32BE(0)
    const data = body.subarray(4)
    if (want === wants.password) talk.send(framed('p', Buffer.from(`${login.password}\0`)))
    else if (want === wants.md5) talk.send(framed('p', Buffer.from(`${md5Answer(login, data)}\0`)))
    else if (want === wants.sasl) {
      if (!data.toString('latin1').split('\0').includes('SCRAM-SHA-256'))
        throw misspoken('it wants a login that this check does not know')
      proof = scram(login.password)
      const first = Buffer.from(proof.first)
      talk.send(framed('p', Buffer.from('SCRAM-SHA-256\0'), integer(first.length), first))
    } else if (want === wants.saslContinue && proof !== undefined) {
      const final = await proof.answer(data.toString('latin1'))
      if (final === undefined) throw misspoken('its SCRAM challenge is none')
      talk.send(framed('p', Buffer.from(final)))
    } else if (want === wants.saslFinal && proof !== undefined) {
      if (!proof.isServer(data.toString('latin1'))) throw misspoken('it does not know the password itself')
    } else if (want !== wants.nothing) throw misspoken('it wants a login that this check does not know')
  }
  throw misspoken('the login has no end')
}

/** Ends well at the first row, which may be large and is not read. */
async function queried(talk: Conversation, query: string): Promise<void> {
  talk.await('no answer to the query')
  talk.send(framed('Q', Buffer.from(`${query}\0`)))
  for (let count = 0; count < maxMessages; count++) {
    const { type, size } = await readHeader(talk)
    if (type === 'D') return
    const body = await talk.bytes(size)
    if (type === 'E') throw misspoken(`the query fails: ${errorText(body)}`)
    if (type === 'Z') throw misspoken('the query gives no rows')
  }
  throw misspoken('the answer to the query has no end')
}

async function readHeader(talk: Conversation): Promise<{ type: string; size: number }> {
  const header = await talk.bytes(5)
  const size = header.readUInt32BE(1) - 4
  if (size < 0) throw misspoken('it does not speak PostgreSQL')
  return { type: header.toString('latin1', 0, 1), size }
}

async function readMessage(talk: Conversation): Promise<Message> {
  const { type, size } = await readHeader(talk)
  return { type, body: await talk.bytes(size) }
}

/** A message: its type (the first ones have none), its length, which counts itself, and its parts. */
function framed(type: string | undefined, ...parts: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(parts)
  return Buffer.concat([Buffer.from(type ?? ''), integer(body.length + 4), body])
}

function integer(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

function md5Answer({ user, password }: Login, salt: Buffer): string {
  const inner = createHash('md5').update(password).update(user).digest('hex')
  return `md5${createHash('md5').update(inner).update(salt).digest('hex')}`
}

/** An error's fields by their letter: C its code, M its text. */
function fields(body: Buffer): ReadonlyMap<string, string> {
  return new Map(
    body
      .toString('utf8')
      .split('\0')
      .map((field) => [field.slice(0, 1), field.slice(1)]),
  )
}

function errorText(body: Buffer): string {
  const said = fields(body)
  return `${shown(said.get('M') ?? 'an error')} (${shown(said.get('C') ?? '')})`
}
