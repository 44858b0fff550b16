import { expect, test } from 'vitest'
import { rcodes } from './codec.ts'
import {
  type Asked,
  buildQuery,
  buildResponder,
  buildServer,
  buildZone,
  readAnswer,
  subnetOption,
  words,
} from './dns-world.contract.ts'
import { Frames, frame } from './frames.ts'
import { type Responder, serveTcp, serveUdp } from './serve.ts'

const inputs = 100_000
const seed = 20_261_123
const client = { address: '127.0.0.1', port: 40_000 }

/** mulberry32: the same inputs in every run. */
function generator(start: number): (below: number) => number {
  let state = start
  return (below) => {
    state = (state + 0x6d2b_79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

const names = [
  'www.shop',
  'WWW.shop',
  '_http._tcp.www.shop',
  '10-0-0-1.www.shop',
  'x.www.shop',
  'ns.www.shop',
  'other',
  '',
]
const valid: readonly Asked[] = names.flatMap((name) =>
  [1, 28, 33, 6, 255, 252].flatMap((type): Asked[] => [
    { name, type },
    { name, type, edns: { payload: 4096, flags: 0x8000 } },
    { name, type, edns: { options: subnetOption(1, 24, [10, 0, 7]) } },
    {
      name,
      type,
      edns: { options: Buffer.concat([words(10, 8, 1, 2, 3, 4), subnetOption(2, 56, [32, 1, 13, 184, 0, 0, 1])]) },
    },
  ]),
)

function mutated(query: Buffer, below: (limit: number) => number): Buffer {
  let bytes = Buffer.from(query)
  for (let times = below(4); times >= 0; times--) {
    const at = below(bytes.length + 1)
    switch (below(6)) {
      case 0:
        bytes = bytes.subarray(0, at)
        break
      case 1:
        bytes = Buffer.concat([bytes, bytes.subarray(0, below(bytes.length + 1))])
        break
      case 2:
        bytes = Buffer.concat([bytes.subarray(0, at), Buffer.from([below(256)]), bytes.subarray(at)])
        break
      case 3:
        // A pointer, somewhere to somewhere.
        if (at + 1 < bytes.length) bytes.writeUInt16BE(0xc000 | below(bytes.length), at)
        break
      default:
        if (at < bytes.length) bytes[at] = below(256)
    }
  }
  return bytes
}

function input(below: (limit: number) => number): Buffer {
  const kind = below(10)
  const length = kind === 0 ? below(600) : 0
  if (length > 0) return Buffer.from(Array.from({ length }, () => below(256)))
  const query = buildQuery(valid[below(valid.length)] ?? { name: '' })
  return kind === 1 ? query : mutated(query, below)
}

function world(): Responder {
  const servers = Array.from({ length: 40 }, (_, at) =>
    buildServer(at % 2 === 0 ? `10.0.0.${at}` : `fd00::${at}`, { weight: at % 5 }),
  )
  const schedulers = ['rr', 'wlc', 'sh', 'mh'] as const
  return buildResponder([
    buildZone('www.shop', servers, { scheduler: 'wrr' }),
    ...schedulers.map((scheduler) => buildZone(`${scheduler}.www.shop`, servers, { scheduler })),
  ])
}

/** What must hold for every answer, whatever the question was. */
function check(message: Buffer, answer: Buffer | undefined, most: number): void {
  const isQuery = message.length >= 12 && ((message[2] ?? 0) & 0x80) === 0
  if ((answer !== undefined) !== isQuery) throw new Error('answered what is no query, or not what is one')
  if (answer === undefined) return
  if (answer.length > most) throw new Error(`${answer.length} bytes`)
  const seen = readAnswer(answer)
  if (seen.id !== message.readUInt16BE(0)) throw new Error('another id')
  if (!(seen.rcode in rcodes)) throw new Error(`rcode ${seen.rcode}`)
  if (!message.subarray(12).subarray(0, seen.question.length).equals(seen.question)) throw new Error('another question')
}

function failing(message: Buffer, body: () => void): void {
  try {
    body()
  } catch (error) {
    throw new Error(`with ${message.toString('hex')}`, { cause: error })
  }
}

test(`${inputs} datagrams, valid, mutated and random, are answered well or not at all`, () => {
  const below = generator(seed)
  const responder = world()
  const rcodesSeen = new Map<string, number>()
  const before = process.memoryUsage().heapUsed
  for (let count = 0; count < inputs; count++) {
    const message = input(below)
    failing(message, () => {
      const answer = serveUdp(responder, message, client, count)
      check(message, answer, 1232)
      const seen = answer === undefined ? 'none' : readAnswer(answer).rcode
      rcodesSeen.set(seen, (rcodesSeen.get(seen) ?? 0) + 1)
    })
  }
  // It must have come past the first checks, or it has tested nothing.
  for (const seen of ['none', 'noError', 'formErr', 'nxDomain', 'notImp', 'refused', 'badVers'])
    expect(rcodesSeen.get(seen) ?? 0, seen).toBeGreaterThan(100)
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(200e6)
})

test(`${inputs} messages over TCP come out as they went in, however the stream is cut`, () => {
  const below = generator(seed + 1)
  const responder = world()
  for (let stream = 0; stream < inputs / 100; stream++) {
    const messages = Array.from({ length: 100 }, () => input(below))
    const bytes = Buffer.concat(messages.map(frame))
    const frames = new Frames()
    const got: Buffer[] = []
    for (let at = 0; at < bytes.length; ) {
      const size = 1 + below(below(3) === 0 ? 3000 : 40)
      frames.push(bytes.subarray(at, at + size))
      at += size
      for (let message = frames.next(); message !== undefined; message = frames.next()) got.push(message)
    }
    expect(got.length).toBe(messages.length)
    expect(frames.next()).toBeUndefined()
    for (const [at, message] of got.entries()) {
      if (!message.equals(messages[at] ?? Buffer.alloc(0))) throw new Error(`message ${at} is another`)
      failing(message, () => check(message, serveTcp(responder, message, client, stream), 65_535))
    }
  }
})
