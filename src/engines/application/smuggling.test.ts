import { describe, expect, test } from 'vitest'
import { openContentWorld } from './content-world.contract.ts'

const host = 'Host: a\r\n'
const chunked = 'Transfer-Encoding: chunked\r\n'
const get = (rest = ''): string => `GET / HTTP/1.1\r\n${host}${rest}\r\n`
const post = (headers: string, body = ''): string => `POST / HTTP/1.1\r\n${host}${headers}\r\n${body}`
const inChunks = (body: string): string => post(chunked, body)
const last = '0\r\n\r\n'

/** Each is read differently by somebody. None may reach a server. */
const refused: { readonly [name: string]: string } = {
  'both lengths': post(`Content-Length: 4\r\n${chunked}`, last),
  'both lengths, the other way round': post(`${chunked}Content-Length: 4\r\n`, last),
  'two equal lengths': post('Content-Length: 1\r\nContent-Length: 1\r\n', 'a'),
  'two other lengths': post('Content-Length: 1\r\nContent-Length: 2\r\n', 'ab'),
  'a list of lengths': post('Content-Length: 1, 1\r\n', 'a'),
  'a signed length': post('Content-Length: +1\r\n', 'a'),
  'a negative length': post('Content-Length: -1\r\n', 'a'),
  'a hexadecimal length': post('Content-Length: 0x1\r\n', 'a'),
  'an empty length': post('Content-Length:\r\n', 'a'),
  'a length with a space in it': post('Content-Length: 1 1\r\n', 'a'),
  'a length beyond all numbers': post('Content-Length: 99999999999999999999999\r\n', 'a'),
  'a length with a space before its colon': post('Content-Length : 1\r\n', 'a'),
  'another coding': post('Transfer-Encoding: xchunked\r\n', last),
  'chunked not last': post('Transfer-Encoding: chunked, identity\r\n', last),
  identity: post('Transfer-Encoding: identity\r\n'),
  'identity, then chunked': post('Transfer-Encoding: identity, chunked\r\n', last),
  'chunked twice': post('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n', last),
  'identity and chunked in two lines': post('Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n', last),
  'chunked and identity in two lines': post('Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n', last),
  'a coding behind a vertical tab': post('Transfer-Encoding: \x0bchunked\r\n', last),
  'a coding with a NUL': post('Transfer-Encoding: chunked\x00\r\n', last),
  'a coding with a space before its colon': post('Transfer-Encoding : chunked\r\n', last),
  'no coding where one is named': post('Transfer-Encoding:\r\n'),
  'a quoted coding': post('Transfer-Encoding: "chunked"\r\n', last),
  'an empty member before the coding': post('Transfer-Encoding: ,chunked\r\n', last),
  'a coding in a folded line': post('Transfer-Encoding:\r\n chunked\r\n', last),
  'a coding in HTTP/1.0': `POST / HTTP/1.0\r\n${host}${chunked}\r\n${last}`,
  'a chunk size with LF only': inChunks(`1\na\r\n${last}`),
  'a chunk size with CR only': inChunks(`1\ra\r\n${last}`),
  'a negative chunk size': inChunks(`-1\r\na\r\n${last}`),
  'a signed chunk size': inChunks(`+1\r\na\r\n${last}`),
  'a chunk size with 0x': inChunks(`0x1\r\na\r\n${last}`),
  'a chunk size with a space': inChunks(`1 \r\na\r\n${last}`),
  'a chunk size that is none': inChunks(`g\r\na\r\n${last}`),
  'no chunk size': inChunks(`\r\na\r\n${last}`),
  'a chunk size beyond all numbers': inChunks(`10000000000000001\r\na\r\n${last}`),
  'a chunk longer than it says': inChunks(`1\r\nab\r\n${last}`),
  'a chunk shorter than it says': inChunks(`3\r\nab\r\n${last}`),
  'a chunk that ends with LF only': inChunks(`1\r\na\n${last}`),
  'a chunk extension with LF': inChunks(`1;a\nb\r\na\r\n${last}`),
  'a length as a trailer': inChunks('0\r\nContent-Length: 5\r\n\r\n'),
  'an end of chunks with LF only': inChunks('0\r\n\n'),
  'a folded line': get('X: a\r\n b\r\n'),
  'a folded line with a tab': get('X: a\r\n\tb\r\n'),
  'lines with LF only': 'GET / HTTP/1.1\nHost: a\n\n',
  'one line with LF only': get('X: a\nY: b\r\n'),
  'a CR in a value': get('X: a\rb\r\n'),
  'a CR before CRLF': `GET / HTTP/1.1\r\r\n${host}\r\n`,
  'a NUL in a value': get('X: a\x00b\r\n'),
  'a control character in a value': get('X: a\x01b\r\n'),
  'a space before a colon': get('X : a\r\n'),
  'a space before the first header': `GET / HTTP/1.1\r\n ${host}\r\n`,
  'a header without name': get(': a\r\n'),
  'a header without colon': get('abc\r\n'),
  'a header name with a letter of another alphabet': get('\xe9: a\r\n'),
  'no Host': 'GET / HTTP/1.1\r\n\r\n',
  'two Hosts': get('Host: b\r\n'),
  'two equal Hosts': get('host: a\r\n'),
  'a second Host behind very many headers': get(`${'a:b\r\n'.repeat(3000)}Host: b\r\n`),
  'a coding behind very many headers': post(`${'a:b\r\n'.repeat(3000)}Transfer-Encoding: x\r\n`),
  'an empty Host': 'GET / HTTP/1.1\r\nHost:\r\n\r\n',
  'a list of Hosts': 'GET / HTTP/1.1\r\nHost: a, b\r\n\r\n',
  'a Host with a user': 'GET / HTTP/1.1\r\nHost: a@b\r\n\r\n',
  'a Host with a path': 'GET / HTTP/1.1\r\nHost: a/b\r\n\r\n',
  'another host in the absolute form': `GET http://b/ HTTP/1.1\r\n${host}\r\n`,
  'another scheme': `GET ftp://a/ HTTP/1.1\r\n${host}\r\n`,
  'a fragment': `GET /#x HTTP/1.1\r\n${host}\r\n`,
  'a control character in the target': `GET /\x01 HTTP/1.1\r\n${host}\r\n`,
  'a target of neither form': `GET x HTTP/1.1\r\n${host}\r\n`,
  '* for GET': `GET * HTTP/1.1\r\n${host}\r\n`,
  'a tab after the method': `GET\t/ HTTP/1.1\r\n${host}\r\n`,
  'a space after the version': `GET / HTTP/1.1 \r\n${host}\r\n`,
  'a method that nobody knows': `FOO / HTTP/1.1\r\n${host}\r\n`,
  'a method in small letters': `get / HTTP/1.1\r\n${host}\r\n`,
  'an upgrade with a body': get('Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 3\r\n') + 'abc',
  'an upgrade in chunks': post(`Connection: upgrade\r\nUpgrade: h2c\r\n${chunked}`, last),
  'the beginning of HTTP/2': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
}

/** What is clear, but not carried. */
const unsupported: { readonly [name: string]: readonly [text: string, status: number] } = {
  'HTTP/0.9': ['GET /\r\n\r\n', 505],
  'HTTP/2.0': [`GET / HTTP/2.0\r\n${host}\r\n`, 505],
  'HTTP/1.2': [`GET / HTTP/1.2\r\n${host}\r\n`, 400],
  'another coding inside of chunks': [post('Transfer-Encoding: gzip, chunked\r\n', last), 501],
  'a tunnel': [`CONNECT a:443 HTTP/1.1\r\n${host}\r\n`, 501],
  'a head that is too long': [get(`X: ${'a'.repeat(40_000)}\r\n`), 431],
}

const smuggled = `GET /smuggled HTTP/1.1\r\n${host}\r\n`

describe('request smuggling', () => {
  test('every variant is refused and the connection closed, and nothing reaches a server', async () => {
    await using world = await openContentWorld()
    const server = await world.server('A')
    await world.into(undefined, [server])
    const all = [
      ...Object.entries(refused).map(([name, text]) => ({ name, text, status: 400 })),
      ...Object.entries(unsupported).map(([name, [text, status]]) => ({ name, text, status })),
    ]
    // Connections to the server stand ready: what is sent too early would be there at once.
    await Promise.all(all.map(() => world.raw(get())))
    server.seen.length = 0
    const outcomes = await Promise.all(
      all.map(async ({ name, text, status }) => {
        const { text: heard, isClosed } = await world.raw(text + smuggled, 2000)
        const [head = ''] = heard.split('\r\n\r\n', 1)
        const answers = heard.match(/HTTP\/1\.1 \d+/gu) ?? []
        return { name, status, is: `${answers.join()} ${/connection: close/iu.test(head)} ${isClosed}` }
      }),
    )
    for (const { name, status, is } of outcomes) expect(is, name).toBe(`HTTP/1.1 ${status} true true`)
    expect(server.seen).toEqual([])
    expect(await world.snapshot(server)).toMatchObject({ active: 0, inactive: 0 })
    // The same world carries what is good.
    expect((await world.raw(get())).text).toContain('A GET /')
    expect(world.reports).toEqual([])
  })

  test('bytes that turn bad inside of a body spoil the request on both sides', async () => {
    await using world = await openContentWorld()
    const server = await world.server('A')
    await world.into(undefined, [server])
    const ends: string[] = []
    server.http.on('request', (request) => {
      request.once('close', () => ends.push(request.complete ? 'complete' : 'cut'))
    })
    const client = await world.net.dial(world.id)
    client.write(inChunks('1\r\na\r\n'))
    await expect.poll(() => server.seen[0]?.body).toBe('a')
    client.write(`x\r\nbad\r\n${smuggled}`)
    const heard: string[] = []
    client.on('data', (data) => heard.push(data.toString()))
    await expect.poll(() => client.readableEnded).toBe(true)
    expect(heard.join('')).toMatch(/^HTTP\/1\.1 400 /u)
    await expect.poll(() => ends).toEqual(['cut'])
    expect(server.seen.length).toBe(1)
  })

  test('a good request before bad bytes is answered, and then the refusal', async () => {
    await using world = await openContentWorld()
    await world.into(undefined, [await world.server('A')])
    const { text, isClosed } = await world.raw(`${get()}${get('X : a\r\n')}`, 1000)
    expect(text.match(/HTTP\/1\.1 \d+/gu)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 400'])
    expect(isClosed).toBe(true)
  })
})
