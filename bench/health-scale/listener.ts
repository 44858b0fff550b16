/** `listener.ts FIRST COUNT`: listens on so many ports, and closes, silences and opens them as it is told. */
import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { sockaddrBytes, writeSockaddr } from '../../src/os/socket-address.ts'
import { loadSocketCalls, pinned, SOCK_CLOEXEC, SOCK_STREAM } from '../../src/os/sockets.ts'

const [first = 0, count = 0] = process.argv.slice(2).map(Number)
const calls = loadSocketCalls()

type Port = { close(): Promise<void> }

async function openPort(port: number): Promise<Port> {
  const clients = new Set<Socket>()
  const server: Server = createServer((socket) => {
    clients.add(socket)
    socket.on('error', () => {}).on('close', () => clients.delete(socket))
    socket.resume()
  })
  server.listen({ port, host: '0.0.0.0', backlog: 4096 })
  await once(server, 'listening')
  return {
    async close() {
      for (const client of clients) client.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

/** A queue for one, which is full, and nobody who takes from it: the kernel drops what comes. */
async function silentPort(port: number): Promise<Port> {
  const address = pinned(sockaddrBytes)
  const one = pinned(4)
  one.bytes.writeInt32LE(1, 0)
  const fd = calls.socket(2, SOCK_STREAM | SOCK_CLOEXEC, 0)
  calls.setsockopt(fd, 1, 2, one.address, 4)
  if (calls.bind(fd, address.address, writeSockaddr(address.bytes, 0, [0], port)) < 0 || calls.listen(fd, 0) < 0)
    throw new Error(`port ${port} cannot be silenced: ${calls.errno()}`)
  const filling = [0, 1].map(() => connect({ port, host: '127.0.0.1' }).on('error', () => {}))
  await Promise.race(filling.map((socket) => once(socket, 'connect')))
  return {
    async close() {
      for (const socket of filling) socket.destroy()
      calls.close(fd)
    },
  }
}

const ports = await Promise.all(Array.from({ length: count }, (_, at) => openPort(first + at)))
console.log('ready')
for await (const line of createInterface({ input: process.stdin })) {
  const [what, from, to] = line.split(' ')
  for (let at = Number(from); at < Number(to); at += 1) {
    await ports[at]?.close()
    if (what === 'open') ports[at] = await openPort(first + at)
    if (what === 'silence') ports[at] = await silentPort(first + at)
    if (what === 'close') ports[at] = { close: () => Promise.resolve() }
  }
  console.log(Date.now())
}
process.exit()
