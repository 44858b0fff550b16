/** Small servers for the tests of checks: each knows how many connections are open, and goes away whole. */
import { execFileSync } from 'node:child_process'
import { createSocket, type Socket as DatagramSocket, type RemoteInfo } from 'node:dgram'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ProbeResult, ProbeSpec } from '../../src/health/check.ts'
import { openProbe } from '../../src/health/checks/registry.ts'
import { addressWords, sockaddrBytes, sockaddrPort, writeSockaddr } from '../../src/os/socket-address.ts'
import { AF_INET, loadSocketCalls, pinned, SOCK_CLOEXEC, SOCK_STREAM } from '../../src/os/sockets.ts'

export type Running = AsyncDisposable & { readonly port: number; readonly open: () => number }

export async function listen(server: Server, address = '127.0.0.1'): Promise<Running> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket)).on('error', () => {})
  })
  await new Promise<void>((resolve) => server.listen(0, address, resolve))
  return {
    port: (server.address() as AddressInfo).port,
    open: () => sockets.size,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** A server that speaks for itself, byte by byte. */
export const raw = (speak: (socket: Socket) => void, address?: string): Promise<Running> =>
  listen(
    createServer((socket) => {
      socket.resume() // it hears the other side's end, as a real server does
      speak(socket)
    }),
    address,
  )

/** A server that answers each line. */
export const lines = (
  greeting: string,
  answer: (line: string, socket: Socket) => string | undefined,
): Promise<Running> =>
  raw((socket) => {
    socket.write(greeting)
    let kept = ''
    socket.on('data', (chunk: Buffer) => {
      kept += chunk.toString('latin1')
      for (let at = kept.indexOf('\n'); at >= 0; at = kept.indexOf('\n')) {
        const said = answer(kept.slice(0, at).replace(/\r$/, ''), socket)
        kept = kept.slice(at + 1)
        if (said !== undefined) socket.write(said)
      }
    })
  })

/** It listens, and its queue is full: the kernel drops what comes, so that no connection is taken or refused. */
export async function silentServer(): Promise<AsyncDisposable & { readonly port: number }> {
  const calls = loadSocketCalls()
  const address = pinned(sockaddrBytes + 4)
  const fd = calls.socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)
  address.bytes.writeInt32LE(sockaddrBytes, sockaddrBytes)
  const length = writeSockaddr(address.bytes, 0, addressWords('127.0.0.1'), 0)
  if (calls.bind(fd, address.address, length) < 0 || calls.listen(fd, 0) < 0) throw new Error('it cannot listen')
  calls.getsockname(fd, address.address, address.address + sockaddrBytes)
  const port = sockaddrPort(address.bytes, 0)
  const filling = connect({ port, host: '127.0.0.1' })
  await once(filling, 'connect')
  return {
    port,
    async [Symbol.asyncDispose]() {
      filling.destroy()
      calls.close(fd)
      await once(filling, 'close')
    },
  }
}

export async function closedPort(): Promise<number> {
  await using server = await raw(() => {})
  return server.port
}

type Datagrams = AsyncDisposable & { readonly port: number }

export async function datagramServer(
  answer: (message: Buffer, from: RemoteInfo, socket: DatagramSocket) => Buffer | string | undefined,
  address = '127.0.0.1',
): Promise<Datagrams> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
  socket.on('message', (message, from) => {
    const said = answer(message, from, socket)
    if (said !== undefined) socket.send(said, from.port, from.address)
  })
  await new Promise<void>((resolve) => socket.bind(0, address, resolve))
  return {
    port: socket.address().port,
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => socket.close(() => resolve())),
  }
}

/** Long enough for a busy machine to answer, short enough to be waited for in tests. */
export const deadlineMs = 250

export async function probe(
  spec: ProbeSpec,
  port: number,
  address = '127.0.0.1',
  ms = deadlineMs,
): Promise<ProbeResult> {
  const opened = openProbe(spec)
  // Loads what the kind needs, outside of the time that is given here; too late already, it does nothing.
  await opened({ address, port }, { signal: AbortSignal.abort() })
  return opened({ address, port }, { signal: AbortSignal.timeout(ms) })
}

/** Descriptors of this process that are sockets or pipes. */
export function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length
}

export type TestCertificate = { readonly key: Buffer; readonly cert: Buffer }

/** Self-signed, for www.shop. */
export function makeCertificate({ days = 2 }: { days?: number } = {}): TestCertificate {
  const directory = mkdtempSync(join(tmpdir(), 'baton-tls-'))
  const [key, cert] = [join(directory, 'key'), join(directory, 'cert')]
  try {
    const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
    const what = ['-days', String(days), '-subj', '/CN=www.shop', '-addext', 'subjectAltName=DNS:www.shop']
    execFileSync('openssl', ['req', ...kind, ...what, '-keyout', key, '-out', cert], { stdio: 'ignore' })
    return { key: readFileSync(key), cert: readFileSync(cert) }
  } finally {
    rmSync(directory, { recursive: true })
  }
}
