/** The first packets of MySQL's protocol: the server's greeting, the client's response, and passwords in them. */
import { createHash } from 'node:crypto'
import type { Login } from '../check.ts'
import { misspoken } from './conversation.ts'

export type Greeting = {
  readonly version: string
  readonly hasTls: boolean
  readonly plugin: string
  readonly scramble: Buffer
}

const can = {
  longPassword: 0x1,
  database: 0x8,
  protocol41: 0x200,
  tls: 0x800,
  transactions: 0x2000,
  secureConnection: 0x8000,
  plugins: 0x80000,
}
const always = can.longPassword | can.protocol41 | can.transactions | can.secureConnection | can.plugins
const utf8 = 45
const maxPacketBytes = 0x10000

/** undefined for what is no greeting of protocol version 10. */
export function parseGreeting(body: Buffer): Greeting | undefined {
  const end = body.indexOf(0, 1)
  // Thread id 4, scramble 8, 0, capabilities 2, charset 1, status 2, capabilities 2, scramble's length 1, reserved 10.
  const rest = end + 32
  if (body[0] !== 10 || end < 0 || body.length < rest + 12) return undefined
  const capabilities = body.readUInt16LE(end + 14) | (body.readUInt16LE(end + 19) << 16)
  const scramble = Buffer.concat([body.subarray(end + 5, end + 13), body.subarray(rest, rest + 12)])
  const name = body.subarray(rest + 13)
  const plugin = name.toString('latin1', 0, name.includes(0) ? name.indexOf(0) : name.length)
  return {
    version: body.toString('latin1', 1, end),
    hasTls: (capabilities & can.tls) !== 0,
    plugin: (capabilities & can.plugins) !== 0 && plugin !== '' ? plugin : 'mysql_native_password',
    scramble,
  }
}

function head(capabilities: number): Buffer {
  const bytes = Buffer.alloc(32)
  bytes.writeUInt32LE(capabilities, 0)
  bytes.writeUInt32LE(maxPacketBytes, 4)
  bytes.writeUInt8(utf8, 8)
  return bytes
}

/** What asks for TLS, before anything secret is said. */
export function sslRequest(): Buffer {
  return head(always | can.tls)
}

export function response(greeting: Greeting, login: Login, database: string | undefined, isTls: boolean): Buffer {
  const capabilities = always | (database === undefined ? 0 : can.database) | (isTls ? can.tls : 0)
  // A way that is not known here: the server then says which other one it takes.
  const plugin = isKnown(greeting.plugin) ? greeting.plugin : 'mysql_native_password'
  const answer = loginAnswer(plugin, login.password, greeting.scramble, isTls)
  return Buffer.concat([
    head(capabilities),
    Buffer.from(`${login.user}\0`),
    Buffer.of(answer.length),
    answer,
    Buffer.from(database === undefined ? '' : `${database}\0`),
    Buffer.from(`${plugin}\0`),
  ])
}

const ways = ['mysql_native_password', 'caching_sha2_password', 'mysql_clear_password']
const isKnown = (plugin: string): boolean => ways.includes(plugin)

/** What proves that the password is known. @throws Error for a way to log in that is not known here. */
export function loginAnswer(plugin: string, password: string, scramble: Buffer, isTls: boolean): Buffer {
  if (password === '' && plugin !== 'mysql_clear_password') return Buffer.alloc(0)
  switch (plugin) {
    case 'mysql_native_password': {
      const once = hash('sha1', Buffer.from(password))
      return xor(once, hash('sha1', scramble, hash('sha1', once)))
    }
    case 'caching_sha2_password': {
      const once = hash('sha256', Buffer.from(password))
      return xor(once, hash('sha256', hash('sha256', once), scramble))
    }
    case 'mysql_clear_password':
      if (!isTls) throw misspoken('it wants the password itself, which goes over TLS only')
      return Buffer.from(`${password}\0`)
    default:
      throw misspoken(`it wants a login by ${plugin.slice(0, 40)}, which this check does not know`)
  }
}

function hash(name: string, ...parts: readonly Uint8Array[]): Buffer {
  const sum = createHash(name)
  for (const part of parts) sum.update(part)
  return sum.digest()
}

const xor = (one: Buffer, other: Buffer): Buffer => Buffer.from(one.map((byte, at) => byte ^ (other[at] ?? 0)))
