/** A process of real servers: it is told by its parent which address answers what. Started by `real-servers.ts`. */
import { createSocket, type Socket as DatagramSocket } from 'node:dgram'
import { readFileSync } from 'node:fs'
import { createServer as createHttp, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createHttps } from 'node:https'
import { createServer as createTcp, type Server } from 'node:net'
import { makeCertificate } from '../../test/build/servers.ts'

/** What a path is answered with: `body` so many times, then `end`; `location` makes it a redirect. */
export type Page = {
  readonly status?: number
  readonly body?: string
  readonly repeat?: number
  readonly end?: string
  readonly location?: string
}

export type Behaviour =
  /** `*` is every other path; a path that is none of them is not found. `HOST/path`: only for that Host. */
  | { readonly kind: 'http'; readonly pages: Readonly<Record<string, Page>> }
  /** `isSigned`: its certificate is the one that the world trusts. */
  | { readonly kind: 'https'; readonly pages: Readonly<Record<string, Page>>; readonly isSigned?: boolean }
  /** Says `greeting`, then answers the line that has a word in it as `answers` says; `{tag}` is the line's first word. */
  | { readonly kind: 'lines'; readonly greeting?: string; readonly answers?: Readonly<Record<string, string>> }
  /** Takes connections and says nothing. */
  | { readonly kind: 'silent' }
  /** A name server of one name, in hexadecimal: the answer section, and how many records it has. */
  | { readonly kind: 'dns'; readonly address: string }

export type Order = { readonly number: number; readonly place: string; readonly behaviour?: Behaviour }

type Running = { readonly kind: Behaviour['kind']; behaviour: Behaviour; close(): Promise<void> }

const running = new Map<string, Running>()

async function follow({ place, behaviour }: Order): Promise<void> {
  const before = running.get(place)
  // One that goes on listening only answers otherwise.
  if (before !== undefined && before.kind === behaviour?.kind) {
    before.behaviour = behaviour
    return
  }
  running.delete(place)
  await before?.close()
  if (behaviour === undefined) return
  running.set(place, await open(place, behaviour))
}

async function open(place: string, behaviour: Behaviour): Promise<Running> {
  const at = place.lastIndexOf(':')
  const [address, port] = [place.slice(0, at).replaceAll(/[[\]]/g, ''), Number(place.slice(at + 1))]
  const current = (): Behaviour => running.get(place)?.behaviour ?? behaviour
  if (behaviour.kind === 'dns') return await openDns(address, port, behaviour, current)
  const server = serverFor(behaviour, current)
  const sockets = new Set<{ destroy(): void }>()
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined).once('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, address, resolve)
  })
  return {
    kind: behaviour.kind,
    behaviour,
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function serverFor(behaviour: Behaviour, current: () => Behaviour): Server {
  if (behaviour.kind === 'http') return createHttp((request, response) => page(current(), request, response))
  if (behaviour.kind === 'https')
    return createHttps(certificateOf(behaviour), (request, response) => page(current(), request, response))
  return createTcp({ allowHalfOpen: true }, (socket) => {
    const now = current()
    socket.on('error', () => undefined)
    if (now.kind !== 'lines') return
    if (now.greeting !== undefined) socket.write(now.greeting)
    let rest = ''
    socket.setEncoding('latin1').on('data', (text: string) => {
      const lines = (rest + text).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) {
        const known = Object.entries(now.answers ?? {}).find(([word]) => line.toLowerCase().includes(word))
        if (known !== undefined) socket.write(known[1].replaceAll('{tag}', line.split(' ')[0] ?? ''))
        if (/^(\S+ )?(quit|logout)/i.test(line)) socket.end()
      }
    })
    socket.on('end', () => socket.end())
  })
}

/** The trusted one stands in LAB_CERTIFICATE and LAB_KEY. */
function certificateOf({ isSigned }: { readonly isSigned?: boolean }): ReturnType<typeof makeCertificate> {
  if (isSigned !== true) return makeCertificate()
  const read = (name: string): Buffer => readFileSync(process.env[name] ?? '')
  return { cert: read('LAB_CERTIFICATE'), key: read('LAB_KEY') }
}

function page(behaviour: Behaviour, request: IncomingMessage, response: ServerResponse): void {
  if (behaviour.kind !== 'http' && behaviour.kind !== 'https') return
  const { pages } = behaviour
  const path = request.url ?? '/'
  const found = pages[`${request.headers.host}${path}`] ?? pages[path] ?? pages['*'] ?? { status: 404, body: 'none' }
  const { status = 200, body = '', repeat = 1, end = '', location } = found
  response.writeHead(location === undefined ? status : 302, {
    connection: 'close',
    ...(location === undefined ? {} : { location }),
  })
  response.end(body.repeat(repeat) + end)
}

/** Answers every question of type A with one address. */
async function openDns(
  address: string,
  port: number,
  behaviour: Behaviour,
  current: () => Behaviour,
): Promise<Running> {
  const socket: DatagramSocket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
  socket.on('message', (question, client) => {
    const now = current()
    if (now.kind !== 'dns') return
    const end = question.indexOf(0, 12) + 5
    const header = Buffer.from(question.subarray(0, 12))
    header.writeUInt16BE(0x8180, 2)
    header.writeUInt16BE(1, 6)
    header.writeUInt32BE(0, 8)
    const record = Buffer.from('c00c000100010000003c0004', 'hex')
    const data = Buffer.from(now.address.split('.').map(Number))
    socket.send(Buffer.concat([header, question.subarray(12, end), record, data]), client.port, client.address)
  })
  await new Promise<void>((resolve) => socket.bind(port, address, resolve))
  return { kind: 'dns', behaviour, close: () => new Promise((resolve) => socket.close(() => resolve())) }
}

let turn: Promise<void> = Promise.resolve()
process.on('message', (order: Order) => {
  turn = turn.then(() =>
    follow(order).then(
      () => void process.send?.({ number: order.number }),
      (error: unknown) => void process.send?.({ number: order.number, failure: String(error) }),
    ),
  )
})
process.on('disconnect', () => process.exit())
process.send?.({ number: 0 })
