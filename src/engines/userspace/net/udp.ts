/** UDP through `node:dgram`: a socket per service, and one per client towards its real server. */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { familyOf, type Service } from '../../../lvs/service.ts'
import type { Connection } from '../../engine.ts'
import { addressWords, type ServerRecord, type ServiceRecord } from '../../records.ts'
import { listenError } from '../listen-error.ts'
import { errnoOf, type NetContext, nowMs } from './context.ts'
import { idleSeconds } from './tcp.ts'

/** Datagrams that may wait while a session's socket opens; more are dropped. */
const waitingDatagrams = 64
/** A service that is removed still carries answers under way, for so long after the last. */
const farewellSeconds = 2

export type UdpListener = {
  readonly protocol: 'udp'
  record: ServiceRecord | undefined
  readonly sessions: Set<Session>
  /** Ends idle sessions; of a removed service also the listener, with its last session. */
  sweep(now: number): void
  describe(session: Session): Connection | undefined
  /** No new sessions; the standing ones get their answers still. The address stays taken until they end. */
  retire(): void
  revive(): void
  isClosed(): boolean
  close(): Promise<void>
}

type Session = {
  readonly key: string
  readonly client: RemoteInfo
  readonly service: ServiceRecord
  readonly on: ServerRecord
  readonly socket: Socket
  waiting: Buffer[] | undefined
  lastMs: number
}

type Owner = {
  readonly socket: Socket
  readonly end: (session: Session) => void
  readonly isOpen: (session: Session) => boolean
}

const socketType = (address: string): 'udp4' | 'udp6' => (familyOf(address) === 'ipv6' ? 'udp6' : 'udp4')

/** @throws InfraError when the address cannot be taken. */
export async function listenUdp(context: NetContext, service: Service): Promise<UdpListener> {
  const { id } = service
  const address = id.kind === 'address' ? id.address : '0.0.0.0'
  const type = socketType(address)
  const socket = createSocket({ type, ipv6Only: type === 'udp6' })
  await new Promise<void>((resolve, reject) => {
    socket.once('error', (error) => {
      socket.close()
      reject(listenError(service, errnoOf(error)))
    })
    if (id.kind === 'address') socket.bind({ address, port: id.port, exclusive: true }, resolve)
  })
  // Such as a refused answer: the client is gone, which is not ours to mend.
  socket.removeAllListeners('error').on('error', () => undefined)
  return openListener(context, socket)
}

function openListener(context: NetContext, socket: Socket): UdpListener {
  const byClient = new Map<string, Session>()
  let isRetired = false
  let isClosed = false

  const end = (session: Session): void => {
    if (!listener.sessions.delete(session)) return
    if (byClient.get(session.key) === session) byClient.delete(session.key)
    context.ledger.addInactive(session.on.slot, -1)
    session.socket.close()
  }
  const close = async (): Promise<void> => {
    if (isClosed) return
    isClosed = true
    for (const session of listener.sessions) end(session)
    await new Promise<void>((resolve) => socket.close(resolve))
  }
  const listener: UdpListener = {
    protocol: 'udp',
    record: undefined,
    sessions: new Set(),
    sweep(now) {
      for (const session of listener.sessions) {
        const idle = isRetired ? farewellSeconds : idleSeconds(context, session.service.service)
        if (now - session.lastMs >= idle * 1000) end(session)
      }
      if (isRetired && listener.sessions.size === 0) void close()
    },
    describe: (session) => describeSession(context, session),
    retire() {
      isRetired = true
      listener.record = undefined
    },
    revive() {
      isRetired = false
    },
    isClosed: () => isClosed,
    close,
  }

  socket.on('message', (datagram, client) => {
    if (listener.record === undefined) return
    const key = `${client.address} ${client.port}`
    let session = byClient.get(key)
    // Its server or its service was removed: the next datagram is placed anew.
    if (session === undefined || session.on.isRemoved) {
      if (listener.sessions.size >= context.settings.udpSessions) return
      session = openSession(context, listener.record, client, key, {
        socket,
        end,
        isOpen: (s) => listener.sessions.has(s),
      })
      if (session === undefined) return
      listener.sessions.add(session)
      byClient.set(key, session)
    }
    send(context, session, datagram)
  })
  return listener
}

function openSession(
  context: NetContext,
  service: ServiceRecord,
  client: RemoteInfo,
  key: string,
  { socket: listener, end, isOpen }: Owner,
): Session | undefined {
  const { id } = service.service
  if (id.kind !== 'address') return undefined
  const on = context.table.place(service, {
    get source() {
      return addressWords(client.address) ?? [0]
    },
    sourcePort: client.port,
    get destination() {
      return addressWords(id.address) ?? [0]
    },
    destinationPort: id.port,
    get atMs() {
      return nowMs()
    },
  })
  if (on === undefined) return undefined
  const socket = createSocket({ type: socketType(on.server.address) })
  const session: Session = { key, client, service, on, socket, waiting: [], lastMs: nowMs() }
  socket.on('message', (datagram) => {
    session.lastMs = nowMs()
    context.ledger.addOut(on.slot, datagram.length)
    listener.send(datagram, client.port, client.address, () => undefined)
  })
  // ICMP says that nobody listens there: the client's next datagram is placed anew.
  socket.on('error', () => {
    if (!isOpen(session)) return
    context.ledger.addFailure(on.slot)
    end(session)
  })
  socket.connect(on.server.port, on.server.address, (error?: Error) => {
    if (error !== undefined) socket.emit('error', error)
    if (!isOpen(session)) return
    const waiting = session.waiting ?? []
    session.waiting = undefined
    for (const datagram of waiting) transmit(session, datagram)
  })
  return session
}

function send(context: NetContext, session: Session, datagram: Buffer): void {
  session.lastMs = nowMs()
  context.ledger.addIn(session.on.slot, datagram.length)
  if (session.waiting === undefined) transmit(session, datagram)
  else if (session.waiting.length < waitingDatagrams) session.waiting.push(datagram)
}

function transmit(session: Session, datagram: Buffer): void {
  // A datagram that cannot be sent is lost, as datagrams may be; a refusal also arrives as the socket's error.
  session.socket.send(datagram, (error) => {
    if (error !== null) session.socket.emit('error', error)
  })
}

function describeSession(context: NetContext, session: Session): Connection | undefined {
  const { id } = session.service.service
  if (id.kind !== 'address') return undefined
  const { address, port } = session.on.server
  const idle = idleSeconds(context, session.service.service)
  return {
    protocol: 'udp',
    client: { address: session.client.address, port: session.client.port },
    service: { address: id.address, port: id.port },
    server: { address, port },
    state: 'UDP',
    expiresSeconds: Math.max(0, Math.round(idle - (nowMs() - session.lastMs) / 1000)),
  }
}
