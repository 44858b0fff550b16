/** The fuzz inputs once more, through real sockets: the responder is there afterwards, and no larger than before. */
import { createSocket, type Socket as Datagrams } from 'node:dgram'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { buildQuery, readAnswer } from '../../src/engines/dns/dns-world.contract.ts'
import { frame } from '../../src/engines/dns/frames.ts'
import { generator, input } from '../../src/engines/dns/fuzz-inputs.contract.ts'
import { eventually } from '../net/loopback.ts'
import { openShop, type Shop } from './world.ts'

const inputs = 100_000
const seed = 7

const descriptors = (): number => readdirSync('/proc/self/fd').length

async function world(): Promise<Shop> {
  const shop = await openShop()
  await shop.serve(
    'www.shop',
    Array.from({ length: 40 }, (_, at) => ({ address: `10.0.0.${at}`, weight: at % 5 })),
  )
  return shop
}

/** Sends a question with an id of its own and waits for its answer: what was sent before has been seen by then. */
async function sync(socket: Datagrams, port: number, id: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const lost = setTimeout(() => reject(new Error('no answer any more')), 10_000)
    const onMessage = (answer: Buffer): void => {
      const seen = readAnswer(answer)
      if (seen.id !== id || seen.answers.length !== 32) return
      clearTimeout(lost)
      socket.off('message', onMessage)
      resolve()
    }
    socket.on('message', onMessage)
    socket.send(buildQuery({ name: 'www.shop', id, edns: { payload: 1232 } }), port, '127.0.0.1')
  })
}

test(`${inputs} datagrams through a socket`, async () => {
  await using shop = await world()
  const below = generator(seed)
  const socket = createSocket('udp4')
  const before = descriptors()
  let heap = 0
  for (let sent = 0; sent < inputs; ) {
    for (let count = 0; count < 50; count++, sent++) socket.send(input(below), shop.port, '127.0.0.1')
    await sync(socket, shop.port, 0x8000 + (sent & 0x7fff))
    if (sent === inputs / 10) heap = process.memoryUsage().rss
  }
  socket.close()
  expect(process.memoryUsage().rss - heap).toBeLessThan(300e6)
  expect(descriptors()).toBeLessThanOrEqual(before + 1)
})

test(`${inputs} messages and pieces of them over TCP`, async () => {
  await using shop = await world()
  const below = generator(seed + 1)
  const before = descriptors()
  for (let connection = 0; connection < inputs / 100; connection++) {
    const socket = connect({ host: '127.0.0.1', port: shop.port })
    socket.on('error', () => undefined)
    await once(socket, 'connect')
    socket.resume()
    for (let piece = 0; piece < 100 && socket.writable; piece++) {
      const message = input(below)
      // Now and then the length is another than what follows.
      const framed = below(20) === 0 ? message : frame(message)
      socket.write(framed.subarray(0, below(20) === 0 ? below(framed.length + 1) : framed.length))
    }
    if (below(2) === 0) socket.end()
    else socket.destroySoon()
  }
  await eventually('all connections are closed', () => descriptors() <= before)
  expect(await shop.dig('+short', '+tcp', 'www.shop')).toHaveLength(32)
})
