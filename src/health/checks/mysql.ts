/** Check `mysql` (MySQL and MariaDB): a login, and a query on request. Client/server protocol, version 10. */
import type { Probe, SqlCheckSpec } from '../check.ts'
import { type Conversation, converse, misspoken } from './conversation.ts'
import { type Greeting, loginAnswer, parseGreeting, response, sslRequest } from './mysql-login.ts'
import { shown, up } from './verdict.ts'

/** The first byte of a packet says what it is. */
const marks = { ok: 0x00, more: 0x01, file: 0xfb, end: 0xfe, error: 0xff } as const
const commands = { quit: 0x01, query: 0x03 } as const
/** Access denied: what a login as nobody gets from a server that works. */
const accessErrors = [1045, 1698, 1251]
const maxColumns = 4096

type Packet = { readonly sequence: number; readonly body: Buffer }

export function mysqlProbe(spec: SqlCheckSpec): Probe {
  return (target, { signal, from }) =>
    converse(target, { signal, from }, async (talk) => {
      talk.await('no greeting')
      const first = await readPacket(talk)
      if (first.body[0] === marks.error) throw misspoken(errorText(first.body))
      const greeting = parseGreeting(first.body)
      if (greeting === undefined) throw misspoken('it does not speak the MySQL protocol')
      const sequence = await secured(talk, spec, greeting, first.sequence)
      const isKnown = await loggedIn(talk, spec, greeting, sequence)
      if (!isKnown) return up(`${shown(greeting.version)} answers logins`)
      if (spec.query !== undefined) await queried(talk, spec.query)
      sendPacket(talk, 0, Buffer.of(commands.quit))
      talk.finish()
      return up(spec.query === undefined ? 'the login is accepted' : 'the query gives rows')
    })
}

/** Returns the last packet's number. */
async function secured(talk: Conversation, { tls }: SqlCheckSpec, greeting: Greeting, last: number): Promise<number> {
  if (tls === undefined) return last
  if (!greeting.hasTls) throw misspoken('it does not offer TLS')
  sendPacket(talk, last + 1, sslRequest())
  talk.await('no TLS handshake')
  await talk.startTls(tls)
  return last + 1
}

/**
 * Whether the login was accepted; false when none was asked for and it was denied. The handshake is always finished:
 * a server counts those that are not, and shuts a host out after max_connect_errors of them, with its clients.
 */
async function loggedIn(talk: Conversation, spec: SqlCheckSpec, greeting: Greeting, last: number): Promise<boolean> {
  const { login = { user: '', password: '' }, database } = spec
  talk.await('no answer to the login')
  sendPacket(talk, last + 1, response(greeting, login, database, spec.tls !== undefined))
  let { plugin, scramble } = greeting
  for (let rounds = 0; rounds < 8; rounds++) {
    const { sequence, body } = await readPacket(talk)
    const mark = body[0]
    if (mark === marks.ok) return spec.login !== undefined
    if (mark === marks.error) {
      if (spec.login === undefined && accessErrors.includes(body.readUInt16LE(1))) return false
      throw misspoken(`the login fails: ${errorText(body)}`)
    }
    if (mark === marks.end) {
      // Another way to log in, with another scramble.
      const end = body.indexOf(0, 1)
      plugin = body.toString('latin1', 1, end < 0 ? body.length : end)
      scramble = end < 0 ? scramble : body.subarray(end + 1, end + 21)
      sendPacket(talk, sequence + 1, loginAnswer(plugin, login.password, scramble, spec.tls !== undefined))
    } else if (mark === marks.more && body[1] === 4) {
      if (spec.tls === undefined) throw misspoken('it wants the password itself, which goes over TLS only')
      sendPacket(talk, sequence + 1, Buffer.from(`${login.password}\0`))
    } else if (mark !== marks.more || body[1] !== 3) throw misspoken('the login is answered with something else')
  }
  throw misspoken('the login has no end')
}

/** Ends well at the first row. */
async function queried(talk: Conversation, query: string): Promise<void> {
  talk.await('no answer to the query')
  sendPacket(talk, 0, Buffer.concat([Buffer.of(commands.query), Buffer.from(query)]))
  const { body } = await readPacket(talk)
  const columns = body[0] === 0xfc ? body.readUInt16LE(1) : (body[0] ?? 0)
  if (columns === marks.error) throw misspoken(`the query fails: ${errorText(body)}`)
  if (columns === marks.ok) throw misspoken('the query gives no rows')
  if (columns === marks.file || columns > maxColumns) throw misspoken('the query is answered with something else')
  // The columns, and the packet that ends them.
  for (let count = 0; count <= columns; count++) await readPacket(talk)
  const { mark } = await readHeader(talk)
  if (mark === marks.end) throw misspoken('the query gives no rows')
  if (mark === marks.error) throw misspoken('the query fails')
}

/** A packet's number and size, and the byte that says what it is: a row may be large, and need not be read. */
async function readHeader(talk: Conversation): Promise<{ sequence: number; size: number; mark: number }> {
  const header = await talk.bytes(4)
  const size = header.readUIntLE(0, 3)
  if (size === 0) throw misspoken('it sends an empty packet')
  return { size, sequence: header.readUInt8(3), mark: (await talk.bytes(1)).readUInt8(0) }
}

async function readPacket(talk: Conversation): Promise<Packet> {
  const { size, sequence, mark } = await readHeader(talk)
  const body = Buffer.concat([Buffer.of(mark), await talk.bytes(size - 1)])
  // An error's code is always read.
  if (mark === marks.error && size < 3) throw misspoken('it sends an error without a code')
  return { sequence, body }
}

function sendPacket(talk: Conversation, sequence: number, body: Uint8Array): void {
  const header = Buffer.alloc(4)
  header.writeUIntLE(body.length, 0, 3)
  header.writeUInt8(sequence & 0xff, 3)
  talk.send(Buffer.concat([header, body]))
}

/** Its number and text, after a state that some have (`#28000`). */
function errorText(body: Buffer): string {
  const text = body.toString('latin1', 3).replace(/^#.{5}/, '')
  return `${shown(text)} (${body.readUInt16LE(1)})`
}
