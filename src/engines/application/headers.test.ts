import { describe, expect, test } from 'vitest'
import { type Hop, requestHeaders, responseHeaders, switchingHeaders, trailers } from './headers.ts'

const hop = (over: Partial<Hop> = {}): Hop => ({
  client: '192.0.2.7',
  local: '10.0.0.1',
  proto: 'http',
  version: '1.1',
  forwarded: [],
  ...over,
})
const framing = { authority: 'a', method: 'GET', bodyLength: 0, isWebSocket: false } as const

describe('headers towards the server', () => {
  test('end-to-end headers pass as they are, in their order, behind one Host', () => {
    const raw = ['X-A', '1', 'host', 'other', 'Cookie', 'c=1', 'x-a', '2']
    expect(requestHeaders(raw, hop(), framing)).toEqual(['Host', 'a', 'X-A', '1', 'Cookie', 'c=1', 'x-a', '2'])
  })

  test('what is of one connection only ends here, named by Connection or known to be', () => {
    const raw = [
      'Connection',
      'close, X-Own',
      'X-Own',
      '1',
      'Keep-Alive',
      'x',
      'Proxy-Connection',
      'x',
      'TE',
      'gzip',
      'X',
      '2',
    ]
    expect(requestHeaders(raw, hop(), framing)).toEqual(['Host', 'a', 'X', '2'])
  })

  test('Connection cannot take away what the server relies on', () => {
    const raw = ['Connection', 'cookie, authorization, x-forwarded-for', 'Cookie', 'c', 'Authorization', 'b']
    expect(requestHeaders(raw, hop(), framing)).toEqual(['Host', 'a', 'Cookie', 'c', 'Authorization', 'b'])
  })

  test.each([
    { method: 'GET', bodyLength: 0, is: [] },
    { method: 'POST', bodyLength: 0, is: ['Content-Length', '0'] },
    { method: 'GET', bodyLength: 3, is: ['Content-Length', '3'] },
    { method: 'POST', bodyLength: undefined, is: ['Transfer-Encoding', 'chunked'] },
  ])('the framing of $method with $bodyLength bytes is made anew', ({ method, bodyLength, is }) => {
    const raw = ['Content-Length', '77', 'Transfer-Encoding', 'x']
    expect(requestHeaders(raw, hop(), { ...framing, method, bodyLength })).toEqual(['Host', 'a', ...is])
  })

  test('a client that can take trailers is said to', () => {
    expect(requestHeaders(['TE', 'gzip, Trailers'], hop(), framing)).toEqual(
      ['Host', 'a', 'TE', 'trailers', 'Connection', 'keep-alive, TE'], // biome-ignore format: pairs
    )
  })

  test('an HTTP/1.0 client without Host asks for where it came', () => {
    expect(requestHeaders([], hop(), { ...framing, authority: undefined })).toEqual(['Host', '10.0.0.1'])
  })

  test('the client’s address is appended, the scheme is said anew', () => {
    const raw = ['X-Forwarded-For', '1.1.1.1', 'x-forwarded-for', '2.2.2.2', 'X-Forwarded-Proto', 'https']
    expect(requestHeaders(raw, hop({ forwarded: ['x-forwarded'] }), framing)).toEqual([
      'Host', 'a', 'X-Forwarded-For', '1.1.1.1, 2.2.2.2, 192.0.2.7', 'X-Forwarded-Proto', 'http',
    ]) // biome-ignore format: pairs
  })

  test('Forwarded and Via are there when they are wanted', () => {
    const wanted = hop({ client: '2001:db8::1', proto: 'https', version: '1.0', forwarded: ['forwarded', 'via'] })
    expect(requestHeaders(['Via', '1.1 other'], wanted, framing)).toEqual([
      'Host', 'a', 'Forwarded', 'for="[2001:db8::1]";proto=https', 'Via', '1.1 other, 1.0 baton',
    ]) // biome-ignore format: pairs
  })

  test('a WebSocket keeps its upgrade', () => {
    const raw = ['Connection', 'Upgrade', 'Upgrade', 'websocket', 'Sec-WebSocket-Key', 'k']
    expect(requestHeaders(raw, hop(), { ...framing, isWebSocket: true })).toEqual([
      'Host', 'a', 'Sec-WebSocket-Key', 'k', 'Connection', 'Upgrade', 'Upgrade', 'websocket',
    ]) // biome-ignore format: pairs
  })
})

describe('headers towards the client', () => {
  test('what is of the server’s connection only ends here', () => {
    const raw = [
      'Connection',
      'close',
      'Transfer-Encoding',
      'chunked',
      'Trailer',
      'X-T',
      'Set-Cookie',
      'a',
      'Set-Cookie',
      'b',
    ]
    expect(responseHeaders(raw, true)).toEqual(['Trailer', 'X-T', 'Set-Cookie', 'a', 'Set-Cookie', 'b'])
    expect(responseHeaders(raw, false)).toEqual(['Set-Cookie', 'a', 'Set-Cookie', 'b'])
  })

  test('a switch of protocols says so', () => {
    const raw = ['Upgrade', 'websocket', 'Connection', 'Upgrade', 'Sec-WebSocket-Accept', 'x']
    expect(switchingHeaders(raw)).toEqual([
      'Upgrade',
      'websocket',
      'Connection',
      'Upgrade',
      'Sec-WebSocket-Accept',
      'x',
    ])
  })

  test('trailers that would change what was sent before are dropped', () => {
    const raw = ['X-T', '1', 'Content-Length', '7', 'Host', 'b', 'transfer-encoding', 'x', 'Set-Cookie', 'a']
    expect(trailers(raw)).toEqual([['X-T', '1']])
  })
})
