/** Real sockets on loopback for tests: servers with names, clients, and free ports. Everything closes with its owner. */
import { createSocket, type Socket as DatagramSocket } from 'node:dgram'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

export type Place = { readonly address: string; readonly port: number }

export type Loopback = AsyncDisposable & {
  /** A port on which nothing listens now. */
  freePlace(address?: string, kind?: 'tcp' | 'udp'): Promise<Place>
  /** Hands each connection to `serve`; half-open sockets are left open. */
  tcpServer(serve: (socket: Socket) => void, address?: string): Promise<Place & { stop(): Promise<void> }>
  /** Answers each datagram with `answer`'s text. */
  udpServer(answer: (text: string) => string, address?: string): Promise<Place & { stop(): void }>
  dial(place: Place, options?: { readonly from?: string }): Promise<Socket>
  udpClient(address?: string): Promise<UdpClient>
}
export type UdpClient = {
  readonly place: Place
  /** Sends and waits for one answer, or undefined after a while. */
  ask(to: Place, text: string, waitMs?: number): Promise<string | undefined>
}

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Waits until `check` holds. @throws Error with `what` after the deadline. */
export async function eventually(
  what: string,
  check: () => boolean | Promise<boolean>,
  deadlineMs = 15_000,
): Promise<void> {
  const end = Date.now() + deadlineMs
  while (!(await check())) {
    if (Date.now() > end) throw new Error(`not in ${deadlineMs} ms: ${what}`)
    await sleep(10)
  }
}

/** All that comes until the other side ends, or `reset`. The socket stays open for writing. */
export async function readToEnd(socket: Socket): Promise<string> {
  const chunks: Buffer[] = []
  socket.on('data', (chunk) => chunks.push(chunk))
  return await new Promise((resolve) => {
    socket.once('end', () => resolve(Buffer.concat(chunks).toString()))
    socket.once('close', () => resolve('reset'))
  })
}

/** The next text that comes; '' at the end. */
export async function readText(socket: Socket, deadlineMs = 5000): Promise<string> {
  return await new Promise((resolve, reject) => {
    const finish = (settle: () => void): void => {
      clearTimeout(timer)
      socket.off('data', onData).off('end', onEnd).off('error', onError)
      socket.pause()
      settle()
    }
    const onData = (data: Buffer): void => finish(() => resolve(data.toString()))
    const onEnd = (): void => finish(() => resolve(''))
    const onError = (error: Error): void => finish(() => reject(error))
    const timer = setTimeout(() => finish(() => reject(new Error(`nothing in ${deadlineMs} ms`))), deadlineMs)
    socket.on('data', onData).on('end', onEnd).on('error', onError)
    socket.resume()
  })
}

export function openLoopback(): Loopback {
  const sockets = new Set<Socket>()
  const servers = new Set<Server>()
  const datagrams = new Set<DatagramSocket>()
  const keep = (socket: Socket): Socket => {
    sockets.add(socket)
    socket.on('error', () => undefined).once('close', () => sockets.delete(socket))
    return socket
  }

  return {
    async freePlace(address = '127.0.0.1', kind = 'tcp') {
      if (kind === 'udp') {
        const socket = await bindDatagram(address)
        const { port } = socket.address()
        await new Promise<void>((resolve) => socket.close(resolve))
        return { address, port }
      }
      const server = createServer().listen(0, address)
      await once(server, 'listening')
      const { port } = server.address() as AddressInfo
      await new Promise((resolve) => server.close(resolve))
      return { address, port }
    },
    async tcpServer(serve, address = '127.0.0.1') {
      const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => serve(keep(socket)))
      servers.add(server)
      server.listen({ port: 0, host: address, backlog: 4096 })
      await once(server, 'listening')
      const { port } = server.address() as AddressInfo
      return {
        address,
        port,
        async stop() {
          servers.delete(server)
          server.close()
          await new Promise(setImmediate)
        },
      }
    },
    async udpServer(answer, address = '127.0.0.1') {
      const socket = await bindDatagram(address)
      datagrams.add(socket)
      socket.on('message', (data, client) => socket.send(answer(data.toString()), client.port, client.address))
      const { port } = socket.address()
      return {
        address,
        port,
        stop() {
          if (datagrams.delete(socket)) socket.close()
        },
      }
    },
    async dial({ address, port }, { from } = {}) {
      const local = from === undefined ? {} : { localAddress: from }
      const socket = keep(connect({ host: address, port, allowHalfOpen: true, noDelay: true, ...local }))
      await once(socket, 'connect')
      return socket
    },
    async udpClient(address = '127.0.0.1') {
      const socket = await bindDatagram(address)
      datagrams.add(socket)
      return {
        place: { address, port: socket.address().port },
        ask: (to, text, waitMs) => ask(socket, to, text, waitMs),
      }
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      for (const server of servers) server.close()
      for (const socket of datagrams) socket.close()
      await new Promise(setImmediate)
    },
  }
}

async function bindDatagram(address: string): Promise<DatagramSocket> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
  await new Promise<void>((resolve) => socket.bind(0, address, resolve))
  return socket.on('error', () => undefined)
}

async function ask(socket: DatagramSocket, to: Place, text: string, waitMs = 2000): Promise<string | undefined> {
  return await new Promise((resolve) => {
    const onMessage = (data: Buffer): void => {
      clearTimeout(timer)
      resolve(data.toString())
    }
    const timer = setTimeout(() => {
      socket.off('message', onMessage)
      resolve(undefined)
    }, waitMs)
    socket.once('message', onMessage)
    socket.send(text, to.port, to.address)
  })
}
