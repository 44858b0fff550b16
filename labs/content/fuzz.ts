/** Sends bytes to a place, many connections at once, and watches that each ends. */
import { execFile } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { promisify } from 'node:util'
import type { Certificate } from '../../src/lvs/application.ts'
import type { Place } from '../net/loopback.ts'

export type FuzzOptions = {
  readonly count: number
  readonly concurrency: number
  readonly input: (number: number) => Buffer
  /** A connection that is still open by then hangs. */
  readonly deadlineMs: number
}

/** Each input is sent as a whole or in two pieces, and the client's side is closed. Resolves to the inputs that hung. */
export async function fuzz(place: Place, options: FuzzOptions): Promise<readonly Buffer[]> {
  const hung: Buffer[] = []
  let next = 0
  const work = async (): Promise<void> => {
    for (let number = next++; number < options.count; number = next++) {
      const input = options.input(number)
      if (!(await sent(place, input, number, options.deadlineMs))) hung.push(input)
    }
  }
  await Promise.all(Array.from({ length: options.concurrency }, work))
  return hung
}

function sent({ address, port }: Place, input: Buffer, number: number, deadlineMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port, noDelay: true })
    const timer = setTimeout(() => {
      resolve(false)
      socket.destroy()
    }, deadlineMs)
    socket.on('error', () => undefined).resume()
    socket.once('close', () => {
      clearTimeout(timer)
      resolve(true)
    })
    const half = number % 3 === 0 ? input.length >> 1 : input.length
    socket.write(input.subarray(0, half))
    if (half === input.length) socket.end()
    else setImmediate(() => socket.end(input.subarray(half)))
  })
}

/** What a real client says first. */
export async function recordHello(serverName: string): Promise<Buffer> {
  return await new Promise((resolve) => {
    const open: Socket[] = []
    const server = createServer((socket) => {
      open.push(socket)
      socket.once('data', (bytes: Buffer) => {
        resolve(bytes)
        for (const one of open) one.destroy()
        server.close()
      })
    })
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      const port = typeof address === 'object' && address !== null ? address.port : 0
      const client = connectTls({ host: '127.0.0.1', port, servername: serverName, ALPNProtocols: ['h2', 'http/1.1'] })
      open.push(client)
      client.on('error', () => undefined)
    })
  })
}

export async function temporaryCertificate(): Promise<Certificate & AsyncDisposable> {
  const directory = await mkdtemp(join(tmpdir(), 'baton-fuzz-'))
  const [certificate, key] = [join(directory, 'c.pem'), join(directory, 'k.pem')]
  await promisify(execFile)('openssl', [
    'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=a',
    '-keyout', key, '-out', certificate,
  ]) // biome-ignore format: the options of one command
  return { certificate, key, [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }) }
}

export const openDescriptors = (): number => readdirSync('/proc/self/fd').length
