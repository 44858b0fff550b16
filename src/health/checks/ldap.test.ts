import { describe, expect, test } from 'vitest'
import { probe, type Running, raw } from '../../../test/build/servers.ts'
import {
  type BerElement,
  decodeBer,
  decodeBerInteger,
  encodeBer,
  encodeBerInteger,
  encodeBerText,
} from '../../wire/ber.ts'
import type { LdapCheckSpec } from '../check.ts'
import { encodeLdapFilter } from './ldap-filter.ts'
import { standsMisbehaviour } from './misbehaviour.contract.ts'

const result = (tag: number, code: number, text = ''): Uint8Array =>
  encodeBer(tag, encodeBerInteger(code, 0x0a), encodeBerText(''), encodeBerText(text))
const entry = (name: string): Uint8Array => encodeBer(0x64, encodeBerText(name), encodeBer(0x30))
const base = 'dc=shop,dc=example'

/** Answers a bind with a code, and a search with these operations. */
function directory(bindCode: number, found: readonly Uint8Array[], heard: BerElement[] = []): Promise<Running> {
  return raw((socket) =>
    socket.on('data', (data) => {
      for (const message of decodeBer(data)) {
        const [id, operation] = decodeBer(message.value)
        if (id === undefined || operation === undefined) continue
        heard.push(operation)
        const answers =
          operation.tag === 0x60 ? [result(0x61, bindCode, 'said so')] : operation.tag === 0x63 ? found : []
        for (const answer of answers) socket.write(encodeBer(0x30, encodeBerInteger(decodeBerInteger(id)), answer))
      }
    }),
  )
}

const done = result(0x65, 0)
const spec = (changes: Partial<LdapCheckSpec> = {}): LdapCheckSpec => ({ kind: 'ldap', ...changes })

describe('check ldap', () => {
  test.each<{
    name: string
    spec: LdapCheckSpec
    code?: number
    found?: Uint8Array[]
    healthy: boolean
    detail: string
  }>([
    { name: 'a bind', spec: spec(), healthy: true, detail: 'bind is accepted' },
    { name: 'a refused bind', spec: spec(), code: 49, healthy: false, detail: 'result 49: said so' },
    { name: 'one entry', spec: spec({ base }), found: [entry(base), done], healthy: true, detail: base },
    { name: 'no entry', spec: spec({ base }), found: [done], healthy: false, detail: '0 entries' },
    { name: 'two', spec: spec({ base }), found: [entry('a'), entry('b'), done], healthy: false, detail: '2 entries' },
    { name: 'none such', spec: spec({ base }), found: [result(0x65, 32)], healthy: false, detail: 'result 32' },
    {
      name: 'a name that matches',
      spec: spec({ base, pattern: '^dc=shop' }),
      found: [entry(base), done],
      healthy: true,
      detail: base,
    },
    {
      name: 'a name that does not',
      spec: spec({ base, pattern: '^cn=' }),
      found: [entry(base), done],
      healthy: false,
      detail: base,
    },
    { name: 'no filter', spec: spec({ base, filter: '(a' }), healthy: false, detail: "')' expected" },
    {
      name: 'a wrong answer',
      spec: spec({ base }),
      found: [result(0x61, 0)],
      healthy: false,
      detail: 'something else',
    },
  ])('$name', async ({ spec, code = 0, found = [], healthy, detail }) => {
    await using server = await directory(code, found)
    const said = await probe(spec, server.port, '127.0.0.1', 3000)
    expect(said).toMatchObject({ healthy, detail: expect.stringContaining(detail) as string })
    await expect.poll(() => server.open()).toBe(0)
  })

  test('the login is a simple bind of version 3', async () => {
    const heard: BerElement[] = []
    await using server = await directory(0, [], heard)
    await probe(spec({ login: { user: 'cn=ann', password: 'x' } }), server.port, '127.0.0.1', 3000)
    const [version, name, password] = decodeBer(heard[0]?.value ?? new Uint8Array())
    expect([...(version?.value ?? [])]).toEqual([3])
    expect(new TextDecoder().decode(name?.value)).toBe('cn=ann')
    expect(password).toMatchObject({ tag: 0x80 })
  })

  test('a server that announces more than is ever read is not waited for', async () => {
    await using server = await raw((socket) => void socket.write(Buffer.from('3084ffffffff', 'hex')))
    expect((await probe(spec(), server.port, '127.0.0.1', 3000)).detail).toContain('too much')
  })

  test('a server that disconnects by notice', async () => {
    await using server = await raw(
      (socket) => void socket.write(encodeBer(0x30, encodeBerInteger(0), result(0x78, 52))),
    )
    expect((await probe(spec(), server.port, '127.0.0.1', 3000)).detail).toContain('disconnects')
  })

  test('STARTTLS that is refused', async () => {
    await using server = await raw((socket) =>
      socket.on('data', () => socket.write(encodeBer(0x30, encodeBerInteger(1), result(0x78, 2, 'no TLS here')))),
    )
    const said = await probe(spec({ starttls: { verify: false } }), server.port, '127.0.0.1', 3000)
    expect(said.detail).toContain('StartTLS fails with result 2: no TLS here')
  })

  standsMisbehaviour(spec())
  standsMisbehaviour(spec({ tls: { verify: false }, base }))
})

describe('a search filter', () => {
  test.each([
    ['(objectClass=*)', '870b6f626a656374436c617373'],
    ['(cn=a)', 'a3070402636e040161'],
    ['(!(cn=a))', 'a209a3070402636e040161'],
    ['(&(cn=a)(sn=*))', 'a00da3070402636e0401618702736e'],
    ['(cn=a*b*c)', 'a40f0402636e3009800161810162820163'],
    ['(cn=*b*)', 'a4090402636e3003810162'],
    ['(n>=5)', 'a50604016e040135'],
    ['(cn=\\2a)', 'a3070402636e04012a'],
  ])('%s', (text, expected) => {
    const encoded = encodeLdapFilter(text)
    expect('bytes' in encoded && Buffer.from(encoded.bytes).toString('hex')).toBe(expected)
  })

  test.each([
    ['', 0],
    ['cn=a', 0],
    ['(cn=a', 5],
    ['(cn=a))', 6],
    ['(=a)', 1],
    ['(cn)', 1],
    ['(cn=\\2)', 1],
    ['(cn=**)', 1],
    [`${'(!'.repeat(40)}(a=b)${')'.repeat(40)}`, 34],
  ])('%s is none', (text, at) => {
    expect(encodeLdapFilter(text)).toMatchObject({ at })
  })
})
