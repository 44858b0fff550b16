/** A service's address: takes clients, and hands each to what the service is at that moment. */
import { createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type TLSSocket, type Server as TlsServer } from 'node:tls'
import type { Application } from '../../lvs/application.ts'
import { formatEndpoint, type Service } from '../../lvs/service.ts'
import { alerts, encodeFatalAlert } from '../../wire/tls-client-hello.ts'
import { listenError } from '../listen-error.ts'
import type { ServiceRecord } from '../records.ts'
import { certificateFor } from './certificate-names.ts'
import { type CertificateSet, lowestTlsVersion } from './certificates.ts'
import { type Context, poolRecord } from './context.ts'
import { type Ends, endsOf } from './ends.ts'
import type { HttpFront, Listener } from './model.ts'
import { openRelay } from './relay.ts'
import { type Chooser, compileRules } from './rules.ts'
import { hearHello } from './sni.ts'
import { breakOff, bufferBytes } from './splice.ts'

const backlog = 4096

export type Fronts = { readonly context: Context; readonly http: HttpFront }

/** @throws InfraError when the address cannot be taken. */
export async function listen(fronts: Fronts, service: Service): Promise<Listener> {
  const choosers = new WeakMap<Application, Chooser>()
  const listener: Listener = {
    record: undefined,
    certificates: undefined,
    arriving: new Map(),
    choose(application) {
      let chooser = choosers.get(application)
      if (chooser === undefined) choosers.set(application, (chooser = compileRules(application.rules)))
      return chooser
    },
    renew: () => setDefault([tls.http, tls.tls], listener.certificates),
    close() {
      // Stops listening at once; the callback would wait for the last connection.
      server.close()
      for (const socket of listener.arriving.values()) socket.destroy()
    },
  }
  // Plain bytes may be any protocol: its name is between the client and the server.
  const tls = { http: openTls(fronts, listener, ['http/1.1']), tls: openTls(fronts, listener, undefined) }
  const server = createServer(
    { allowHalfOpen: true, pauseOnConnect: false, noDelay: true, highWaterMark: bufferBytes },
    (socket) => accept(fronts, listener, tls, socket),
  )
  await listening(server, service)
  return listener
}

async function listening(server: Server, service: Service): Promise<void> {
  const { id } = service
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(listenError(service, 'code' in error ? String(error.code) : error.message)))
    if (id.kind === 'address')
      server.listen({ host: id.address, port: id.port, backlog, ipv6Only: true, exclusive: true }, resolve)
  })
  // Out of file descriptors: the kernel's queue keeps the clients, and Node tries again with the next one.
  server.removeAllListeners('error').on('error', () => undefined)
}

type TlsServers = { readonly http: TlsServer; readonly tls: TlsServer }

function accept(fronts: Fronts, listener: Listener, tls: TlsServers, socket: Socket): void {
  const application = listener.record?.service.application
  const ends = endsOf(socket)
  if (application === undefined || ends === undefined) return void socket.destroy()
  const isPlain = application.kind === 'http' && application.certificates === undefined
  if (isPlain) return fronts.http.take({ socket, listener, ends, proto: 'http' })
  const key = formatEndpoint(ends.client)
  listener.arriving.set(key, socket)
  socket.once('close', () => {
    if (listener.arriving.get(key) === socket) listener.arriving.delete(key)
  })
  if (application.kind === 'sni') void passThrough(fronts, listener, socket, ends)
  else {
    // Who leaves in the middle of the handshake has left.
    socket.allowHalfOpen = false
    tls[application.kind].emit('connection', socket)
  }
}

/** RFC 6066 §3: who asks for a name that is not here is told so. */
async function passThrough({ context }: Fronts, listener: Listener, socket: Socket, ends: Ends): Promise<void> {
  socket.on('error', () => socket.destroy())
  const heard = await hearHello(socket, context.settings.headTimeoutMs)
  listener.arriving.delete(formatEndpoint(ends.client))
  const front = listener.record
  const application = front?.service.application
  if (heard === undefined || front === undefined || application === undefined) return void socket.destroy()
  if (heard.hello.kind === 'invalid') return refuse(socket, alerts.decodeError)
  const service = chosen(context, listener, application, front, heard.hello.serverName)
  if (service === undefined || service.servers.length === 0) return refuse(socket, alerts.unrecognizedName)
  const refuseAll = (): void => refuse(socket, alerts.internalError)
  openRelay(context, { client: socket, ends, front, service, head: heard.bytes, refuse: refuseAll })
}

function chosen(
  context: Context,
  listener: Listener,
  application: Application,
  front: ServiceRecord,
  host: string | undefined,
): ServiceRecord | undefined {
  const choice = listener.choose(application)({ host, target: '', header: () => [] })
  return choice.kind === 'pool' ? poolRecord(context, choice.pool) : front
}

/** Says it and closes; what the client still sends is not looked at. */
function refuse(socket: Socket, alert: number): void {
  socket.end(encodeFatalAlert(alert))
  const timer = setTimeout(() => socket.destroy(), lingerMs)
  socket.once('close', () => clearTimeout(timer)).resume()
}
const lingerMs = 1000

function openTls({ context, http }: Fronts, listener: Listener, protocols: string[] | undefined): TlsServer {
  const tls = createTlsServer({
    minVersion: lowestTlsVersion,
    ...(protocols === undefined ? {} : { ALPNProtocols: protocols }),
    handshakeTimeout: context.settings.headTimeoutMs,
    allowHalfOpen: true,
    SNICallback(name, done) {
      done(null, certificateFor(listener.certificates?.current ?? [], name)?.context)
    },
  })
  // A client that does not finish the handshake, or cannot: nothing of ours is wrong.
  tls.on('tlsClientError', (_, socket) => socket.destroy())
  tls.on('secureConnection', (socket) => secured(context, http, listener, socket))
  return tls
}

function secured(context: Context, http: HttpFront, listener: Listener, socket: TLSSocket): void {
  const front = listener.record
  const application = front?.service.application
  const ends = endsOf(socket)
  if (front === undefined || application === undefined || ends === undefined) return void socket.destroy()
  listener.arriving.delete(formatEndpoint(ends.client))
  if (application.kind === 'http') return http.take({ socket, listener, ends, proto: 'https' })
  socket.allowHalfOpen = true
  socket.on('error', () => socket.destroy())
  const name = typeof socket.servername === 'string' ? socket.servername.toLowerCase() : undefined
  const service = chosen(context, listener, application, front, name)
  if (service === undefined) return void socket.destroy()
  const refuse = (): void => breakOff(socket)
  openRelay(context, { client: socket, ends, front, service, head: new Uint8Array(0), refuse })
}

/** For clients that name nothing. */
function setDefault(servers: readonly TlsServer[], certificates: CertificateSet | undefined): void {
  const [first] = certificates?.current ?? []
  if (first === undefined) return
  for (const server of servers) server.setSecureContext({ ...first.pem, minVersion: lowestTlsVersion })
}
