import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { checkRequest, hostName, type RequestHead } from './request-check.ts'

const head = (over: Partial<RequestHead> & { extra?: readonly string[] } = {}): RequestHead => {
  const { extra = [], ...rest } = over
  return { method: 'GET', target: '/', version: '1.1', rawHeaders: ['Host', 'a', ...extra], ...rest }
}

describe('request check', () => {
  test.each<{ name: string; head: RequestHead; status: number }>([
    { name: 'no Host', head: head({ rawHeaders: [] }), status: 400 },
    { name: 'two Hosts', head: head({ extra: ['hOST', 'a'] }), status: 400 },
    { name: 'an empty Host', head: head({ rawHeaders: ['Host', ''] }), status: 400 },
    { name: 'two hosts in one', head: head({ rawHeaders: ['Host', 'a, b'] }), status: 400 },
    { name: 'a Host with a user', head: head({ rawHeaders: ['Host', 'a@b'] }), status: 400 },
    { name: 'a Host with a path', head: head({ rawHeaders: ['Host', 'a/b'] }), status: 400 },
    { name: 'a Host with a bad port', head: head({ rawHeaders: ['Host', 'a:b'] }), status: 400 },
    { name: 'another host in the absolute form', head: head({ target: 'http://b/' }), status: 400 },
    { name: 'a user in the absolute form', head: head({ target: 'http://a@a/' }), status: 400 },
    { name: 'another scheme', head: head({ target: 'ftp://a/' }), status: 400 },
    { name: 'a fragment', head: head({ target: '/a#b' }), status: 400 },
    { name: '* for GET', head: head({ target: '*' }), status: 400 },
    { name: 'both lengths', head: head({ extra: ['Content-Length', '1', 'Transfer-Encoding', 'chunked'] }), status: 400 },
    { name: 'two lengths', head: head({ extra: ['Content-Length', '1', 'Content-Length', '1'] }), status: 400 },
    { name: 'a length that is none', head: head({ extra: ['Content-Length', '+1'] }), status: 400 },
    { name: 'chunked twice', head: head({ extra: ['Transfer-Encoding', 'chunked, chunked'] }), status: 501 },
    { name: 'identity first', head: head({ extra: ['Transfer-Encoding', 'identity, chunked'] }), status: 400 },
    { name: 'two codings in two lines', head: head({ extra: ['Transfer-Encoding', 'identity', 'Transfer-Encoding', 'chunked'] }), status: 400 },
    { name: 'an empty coding', head: head({ extra: ['Transfer-Encoding', ''] }), status: 400 },
    { name: 'an empty member', head: head({ extra: ['Transfer-Encoding', ',chunked'] }), status: 400 },
    { name: 'a coding of HTTP/1.0', head: head({ version: '1.0', extra: ['Transfer-Encoding', 'chunked'] }), status: 400 },
    { name: 'gzip', head: head({ extra: ['Transfer-Encoding', 'gzip, chunked'] }), status: 501 },
    { name: 'CONNECT', head: head({ method: 'CONNECT', target: 'a:443' }), status: 501 },
    { name: 'HTTP/0.9', head: head({ version: '0.9' }), status: 505 },
    { name: 'HTTP/2.0', head: head({ version: '2.0' }), status: 505 },
    { name: 'an upgrade with a body', head: head({ extra: ['Connection', 'upgrade', 'Upgrade', 'websocket', 'Content-Length', '3'] }), status: 400 },
  ])('$name is refused with $status', ({ head, status }) => {
    expect(checkRequest(head)).toMatchObject({ ok: false, status })
  }) // biome-ignore format: a table to read at a glance

  test.each<{ name: string; head: RequestHead; is: object }>([
    { name: 'origin form', head: head({ target: '/x?y' }), is: { authority: 'a', target: '/x?y', isWebSocket: false } },
    { name: 'absolute form', head: head({ target: 'http://A/x?y' }), is: { authority: 'A', target: '/x?y' } },
    { name: 'absolute form without path', head: head({ target: 'http://a?y' }), is: { authority: 'a', target: '/?y' } },
    { name: '* for OPTIONS', head: head({ method: 'OPTIONS', target: '*' }), is: { target: '*' } },
    { name: 'HTTP/1.0 without Host', head: head({ version: '1.0', rawHeaders: [] }), is: { authority: undefined } },
    { name: 'an IPv6 host', head: head({ rawHeaders: ['Host', '[::1]:80'] }), is: { authority: '[::1]:80' } },
    { name: 'chunked in any case', head: head({ extra: ['Transfer-Encoding', 'Chunked'] }), is: { ok: true } },
    { name: 'a WebSocket', head: head({ extra: ['Connection', 'keep-alive, Upgrade', 'Upgrade', 'websocket'] }), is: { isWebSocket: true } },
    { name: 'another upgrade, which is ignored', head: head({ extra: ['Connection', 'Upgrade', 'Upgrade', 'h2c'] }), is: { isWebSocket: false } },
    { name: 'an upgrade that Connection does not name', head: head({ extra: ['Upgrade', 'websocket'] }), is: { isWebSocket: false } },
  ])('$name is taken', ({ head, is }) => {
    expect(checkRequest(head)).toMatchObject({ ok: true, ...is })
  }) // biome-ignore format: a table to read at a glance

  test.each([
    ['Shop.Example:8080', 'shop.example'],
    ['shop.example.', 'shop.example'],
    ['[::1]:80', '[::1]'],
    ['[::1]', '[::1]'],
    [undefined, undefined],
  ])('the host of %s is %s', (authority, host) => {
    expect(hostName(authority)).toBe(host)
  })

  test('any head is taken or refused, and nothing with two hosts or two lengths is taken', () => {
    const name = fc.constantFrom('Host', 'host', 'Content-Length', 'Transfer-Encoding', 'Connection', 'Upgrade', 'X')
    const value = fc.oneof(fc.constantFrom('a', 'b', '1', 'chunked', 'upgrade', 'websocket'), fc.string())
    const headers = fc.array(fc.tuple(name, value)).map((pairs) => pairs.flat())
    const anyHead = fc.record({
      method: fc.constantFrom('GET', 'POST', 'OPTIONS', 'CONNECT'),
      target: fc.oneof(fc.constantFrom('/', '*', 'http://a/'), fc.webUrl(), fc.string()),
      version: fc.constantFrom('1.0', '1.1', '2.0'),
      rawHeaders: headers,
    })
    fc.assert(
      fc.property(anyHead, (one) => {
        const names = one.rawHeaders.filter((_, at) => at % 2 === 0).map((text) => text.toLowerCase())
        const count = (wanted: string): number => names.filter((text) => text === wanted).length
        const checked = checkRequest(one)
        if (!checked.ok) return
        expect(count('host')).toBeLessThanOrEqual(1)
        expect(count('content-length') + count('transfer-encoding')).toBeLessThanOrEqual(1)
        expect(checked.target === '*' || checked.target.startsWith('/')).toBe(true)
      }),
      { numRuns: 2000 },
    )
  })
})
