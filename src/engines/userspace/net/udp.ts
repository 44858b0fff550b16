/** UDP through `node:dgram`: a socket per service, and one per client towards its real server. */

import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { callIdOf } from '../../../lvs/call-id.ts'
import { familyOf, type Service } from '../../../lvs/service.ts'
import type { Connection } from '../../engine.ts'
import { flowBetween } from '../../flow.ts'
import { listenError } from '../../listen-error.ts'
import type { ServerRecord, ServiceRecord } from '../../records.ts'
import { isOnePacket } from '../../scheduling.ts'
import { errnoOf, type NetContext, noServers, nowMs } from './context.ts'

/** Datagrams that may wait while a session's socket opens; more are dropped. */
const waitingDatagrams = 64
/** A service that is removed still carries answers under way, for so long after the last. */
const farewellSeconds = 2
/** Where each datagram is scheduled by itself, an answer is awaited for so long. */
const answerSeconds = 30

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
  /** The slot of its persistence template, or 0. */
  readonly template: number
  /** Stands for no connection: it only waits for answers to datagrams that were scheduled one by one. */
  readonly isForAnswers: boolean
  readonly socket: Socket
  waiting: Buffer[] | undefined
  lastMs: number
}

type Sessions = {
  readonly all: Set<Session>
  readonly byClient: Map<string, Session>
  /** The service's own, through which answers leave. */
  readonly socket: Socket
  readonly end: (session: Session) => void
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
    if (!session.isForAnswers) context.ledger.addInactive(session.on.slot, -1)
    context.templates.release(session.template)
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
        const idle = isRetired ? farewellSeconds : idleSeconds(context, session)
        const isOrphan = session.on.isRemoved && context.scheduling.endsOrphans
        if (isOrphan || now - session.lastMs >= idle * 1000) end(session)
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

  const sessions: Sessions = {
    all: listener.sessions,
    byClient,
    socket,
    end,
  }
  socket.on('message', (datagram, client) => {
    const { record } = listener
    if (record === undefined) return
    try {
      const find = isOnePacket(record) ? scheduled : standing
      const session = find(context, record, sessions, client, datagram)
      if (session !== undefined) send(context, session, datagram)
    } catch (error) {
      // Such as of a scheduler: this datagram is lost, the next one may fare better.
      context.onFault(error)
    }
  })
  return listener
}

/** The client's session; a new one when it has none, or when its server or service was removed. */
function standing(
  context: NetContext,
  record: ServiceRecord,
  sessions: Sessions,
  client: RemoteInfo,
  datagram: Buffer,
): Session | undefined {
  const key = `${client.address} ${client.port}`
  const session = sessions.byClient.get(key)
  if (session !== undefined && !session.on.isRemoved) return session
  if (sessions.all.size >= context.settings.udpSessions) return undefined
  const on = place(context, record, client, datagram)
  const template = context.scheduling.templates.slot
  return on && openSession(context, sessions, { key, client, service: record, on, template, isForAnswers: false })
}

/** Asks the scheduler for this datagram alone. Answers come back through a session for this client and server. */
function scheduled(
  context: NetContext,
  record: ServiceRecord,
  sessions: Sessions,
  client: RemoteInfo,
  datagram: Buffer,
): Session | undefined {
  const on = place(context, record, client, datagram)
  if (on === undefined) return undefined
  // The connection ends with its only packet.
  context.templates.release(context.scheduling.templates.slot)
  const key = `${client.address} ${client.port} ${on.slot}`
  const session = sessions.byClient.get(key)
  // The slot of a server that is gone may be another's now.
  if (session !== undefined && session.on !== on) sessions.end(session)
  else if (session !== undefined) {
    // The one used longest ago stands first.
    sessions.all.delete(session)
    sessions.all.add(session)
    return session
  }
  const [oldest] = sessions.all
  if (oldest !== undefined && sessions.all.size >= context.settings.udpSessions) sessions.end(oldest)
  return openSession(context, sessions, { key, client, service: record, on, template: 0, isForAnswers: true })
}

function place(
  { scheduling }: NetContext,
  record: ServiceRecord,
  client: RemoteInfo,
  datagram: Buffer,
): ServerRecord | undefined {
  const { id, persistence } = record.service
  if (id.kind !== 'address') return undefined
  const flow = flowBetween(client, id, nowMs)
  const callId = persistence?.engine === 'sip' ? callIdOf(datagram) : undefined
  return scheduling.templates.place(record, flow, noServers, callId)
}

function openSession(
  context: NetContext,
  { all, byClient, socket: listener, end }: Sessions,
  parts: Pick<Session, 'key' | 'client' | 'service' | 'on' | 'template' | 'isForAnswers'>,
): Session {
  const { on, client } = parts
  const socket = createSocket({ type: socketType(on.server.address) })
  const session: Session = { ...parts, socket, waiting: [], lastMs: nowMs() }
  all.add(session)
  byClient.set(session.key, session)
  socket.on('message', (datagram) => {
    session.lastMs = nowMs()
    context.templates.assure(session.template)
    if (countsOn(session)) context.ledger.addOut(on.slot, datagram.length)
    listener.send(datagram, client.port, client.address, () => undefined)
  })
  // ICMP says that nobody listens there: the client's next datagram is placed anew.
  socket.on('error', () => {
    if (!all.has(session)) return
    if (countsOn(session)) context.ledger.addFailure(on.slot)
    end(session)
  })
  socket.connect(on.server.port, on.server.address, (error?: Error) => {
    if (error !== undefined) socket.emit('error', error)
    if (!all.has(session)) return
    const waiting = session.waiting ?? []
    session.waiting = undefined
    for (const datagram of waiting) transmit(session, datagram)
  })
  return session
}

/** What only waits for answers keeps no hold of its server: once that is removed, its slot may be another's. */
function countsOn({ isForAnswers, on }: Session): boolean {
  return !isForAnswers || !on.isRemoved
}

function idleSeconds({ scheduling }: NetContext, { service, isForAnswers }: Session): number {
  const idle = scheduling.idleSeconds(service.service)
  return isForAnswers ? Math.min(idle, answerSeconds) : idle
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
  if (id.kind !== 'address' || session.isForAnswers) return undefined
  const { address, port } = session.on.server
  const idle = idleSeconds(context, session)
  return {
    protocol: 'udp',
    client: { address: session.client.address, port: session.client.port },
    service: { address: id.address, port: id.port },
    server: { address, port },
    state: 'UDP',
    expiresSeconds: Math.max(0, Math.round(idle - (nowMs() - session.lastMs) / 1000)),
  }
}
