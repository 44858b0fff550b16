/** Bytes that a client may send, from a seed: good ones, and good ones gone wrong in the ways that parsers fear. */

export type Random = () => number

/** The same numbers for the same seed. Uniform in [0, 1). */
export function seeded(seed: number): Random {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

const pick = <T>(random: Random, all: readonly [T, ...T[]]): T => all[Math.floor(random() * all.length)] ?? all[0]
const below = (random: Random, limit: number): number => Math.floor(random() * limit)

const methods = ['GET', 'POST', 'HEAD', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'CONNECT', 'PRI', 'get', ''] as const
const targets = [
  '/',
  '/api',
  '/api/../x',
  '/%2e%2e/',
  '//',
  '*',
  'http://a/',
  'http://b/x',
  '/a%00',
  '/\\..\\',
  'a:443',
  '/?a=b#c',
] as const
const versions = ['HTTP/1.1', 'HTTP/1.1', 'HTTP/1.1', 'HTTP/1.0', 'HTTP/2.0', 'HTTP/0.9', 'http/1.1', ''] as const
const headers = [
  'Host: a', 'Host: a', 'Host: b', 'Host:', 'Content-Length: 3', 'Content-Length: 0', 'Content-Length: 99999999999999999999', 'Content-Length: -1',
  'Transfer-Encoding: chunked', 'Transfer-Encoding: gzip, chunked', 'Transfer-Encoding : chunked', 'Connection: close', 'Connection: keep-alive, Upgrade',
  'Connection: content-length', 'Upgrade: websocket', 'Upgrade: h2c', 'Sec-WebSocket-Key: k', 'Expect: 100-continue', 'Expect: x', 'TE: trailers', 'Trailer: X',
  'Cookie: a=b; c', 'X-Forwarded-For: 1.2.3.4', ' folded', 'no colon', ': empty', 'X: \x00', 'X: \xff',
] as const // biome-ignore format: a list to read at a glance
const bodies = [
  '',
  '',
  'abc',
  '3\r\nabc\r\n0\r\n\r\n',
  '3;x=y\r\nabc\r\n0\r\nX: 1\r\n\r\n',
  'zz\r\n',
  '0\r\n\r\n',
  'ffffffffffffffff1\r\n',
  '-1\r\na\r\n',
] as const
const breaks = ['\r\n', '\r\n', '\r\n', '\r\n', '\r\n', '\n', '\r', '\r\r\n'] as const

/** One to four requests, most of them nearly good, some bytes changed. */
export function httpInput(random: Random): Buffer {
  let text = ''
  for (let left = 1 + below(random, 4); left > 0; left--) {
    const lineEnd = random() < 0.8 ? '\r\n' : pick(random, breaks)
    text += `${pick(random, methods)} ${pick(random, targets)} ${pick(random, versions)}${lineEnd}`
    if (random() < 0.9) text += `Host: a${lineEnd}`
    for (let more = below(random, 5); more > 0; more--) text += pick(random, headers) + lineEnd
    text += lineEnd + pick(random, bodies)
  }
  return mutated(random, Buffer.from(text, 'latin1'))
}

/** A ClientHello of a real client, cut anew into records and changed. */
export function helloInput(random: Random, hello: Uint8Array): Buffer {
  const whole = Buffer.from(hello)
  const handshake = whole.subarray(5)
  if (random() < 0.5) return mutated(random, whole)
  const pieces: Buffer[] = []
  for (let at = 0; at < handshake.length; ) {
    const fragment = handshake.subarray(at, at + 1 + below(random, 300))
    const header = Buffer.from([random() < 0.97 ? 22 : below(random, 256), 3, below(random, 5), 0, 0])
    header.writeUInt16BE(random() < 0.97 ? fragment.length : below(random, 65_536), 3)
    pieces.push(header, fragment)
    at += fragment.length
  }
  return mutated(random, Buffer.concat(pieces))
}

const poison = [0, 9, 10, 13, 32, 44, 58, 59, 127, 128, 255] as const

function mutated(random: Random, bytes: Buffer): Buffer {
  let changed = bytes
  for (let left = random() < 0.5 ? 0 : 1 + below(random, 4); left > 0; left--) {
    const at = below(random, changed.length + 1)
    const byte = Buffer.from([random() < 0.7 ? pick(random, poison) : below(random, 256)])
    const choice = random()
    if (choice < 0.35) changed = Buffer.concat([changed.subarray(0, at), byte, changed.subarray(at + 1)])
    else if (choice < 0.6) changed = Buffer.concat([changed.subarray(0, at), byte, changed.subarray(at)])
    else if (choice < 0.75)
      changed = Buffer.concat([changed.subarray(0, at), changed.subarray(at + 1 + below(random, 8))])
    else if (choice < 0.9) changed = changed.subarray(0, at)
    else changed = Buffer.concat([changed, changed.subarray(at)])
  }
  return changed
}
