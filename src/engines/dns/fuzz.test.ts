import { expect, test } from 'vitest'
import { buildResponder, buildServer, buildZone, readAnswer } from './dns-world.contract.ts'
import { Frames, frame } from './frames.ts'
import { check, generator, input } from './fuzz-inputs.contract.ts'
import { type Responder, serveTcp, serveUdp } from './serve.ts'

const inputs = 100_000
/** A few seconds, on a machine that has nothing else to do. */
const timeout = 120_000
const seed = 20_261_123
const client = { address: '127.0.0.1', port: 40_000 }

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

function failing(message: Buffer, body: () => void): void {
  try {
    body()
  } catch (error) {
    throw new Error(`with ${message.toString('hex')}`, { cause: error })
  }
}

test(`${inputs} datagrams, valid, mutated and random, are answered well or not at all`, { timeout }, () => {
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

test(`${inputs} messages over TCP come out as they went in, however the stream is cut`, { timeout }, () => {
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
