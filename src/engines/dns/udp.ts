/** Questions and answers over UDP: Node's sockets, in the director's own thread. */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { type Endpoint, familyOf } from '../../lvs/service.ts'
import { type Responder, serveUdp } from './serve.ts'

/** Answers that the kernel does not take at once wait in memory: no more than this. */
const mostWaitingBytes = 1 << 20

/** Nobody, and services that answer whatever they get (echo, daytime, quote, chargen, time): that would go on for ever. */
const unanswerable = new Set([0, 7, 13, 17, 19, 37])

/** @throws Error with Node's `code` when the address cannot be taken. */
export async function listenUdp({ address, port }: Endpoint, responder: Responder): Promise<AsyncDisposable> {
  const family = familyOf(address) === 'ipv4' ? 4 : 6
  const type = family === 4 ? 'udp4' : 'udp6'
  const socket = createSocket({
    type,
    ipv6Only: family === 6,
    // Addresses are numbers here: nothing is to be looked up.
    lookup: (hostname, _options, done) => done(null, hostname, family),
  })
  socket.on('message', (message, from) => {
    if (unanswerable.has(from.port) || socket.getSendQueueSize() > mostWaitingBytes) return
    const answer = serveUdp(responder, message, from, performance.now())
    if (answer !== undefined) socket.send(answer, from.port, from.address, ignoreLoss)
  })
  try {
    const listening = once(socket, 'listening')
    socket.bind({ address, port, exclusive: true })
    await listening
  } catch (error) {
    socket.close()
    throw error
  }
  // An answer that cannot be sent is lost, as datagrams may be.
  socket.on('error', ignoreLoss)
  return {
    async [Symbol.asyncDispose]() {
      await new Promise<void>((resolve) => socket.close(() => resolve()))
    },
  }
}

function ignoreLoss(): void {}
