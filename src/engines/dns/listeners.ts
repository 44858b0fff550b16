/** The addresses at which questions come in: one UDP and one TCP socket each, however many names share it. */
import { isInfraError } from '../../errors.ts'
import { formatEndpoint, type Service } from '../../lvs/service.ts'
import { listenError } from '../listen-error.ts'
import { Names } from './names.ts'
import { RateLimit } from './rate-limit.ts'
import type { Responder } from './serve.ts'
import { listenTcp, type TcpLimits } from './tcp.ts'
import { listenUdp } from './udp.ts'
import type { DnsServiceId } from './zone.ts'

export type Served = { readonly id: DnsServiceId; readonly service: Service }

export type Listener = {
  /** The service that it was opened for first. */
  readonly at: Served
  readonly names: Names
  /** @throws InfraError when the address cannot be taken. */
  open(): Promise<void>
  close(): Promise<void>
}

export type ListenerOptions = TcpLimits & {
  /** Answers a second over UDP for each network (IPv4 /24, IPv6 /56) but this machine's. */
  readonly answersPerSecond: number
}

/** By where they listen. */
export type Listeners = Map<string, Listener>

export const placeOf = ({ address, port }: DnsServiceId): string => formatEndpoint({ address, port })

/**
 * Opens what these services need and `standing` lacks; with an error nothing is changed. `leaving` are listeners that nobody
 * will need: they make way for one that wants the same port (0.0.0.0 and 127.0.0.1 exclude each other).
 * @throws InfraError `busy`, `permission`, `not-found` … with the service's key as its subject.
 */
export async function openListeners(
  services: readonly Served[],
  standing: Listeners,
  leaving: () => readonly Listener[],
  options: ListenerOptions,
): Promise<Listeners> {
  const wanted = services.filter(({ id }) => !standing.has(placeOf(id)))
  try {
    return await openAll(wanted, options)
  } catch (error) {
    if (!isInfraError(error, 'busy')) throw error
    const rivals = leaving().filter(({ at }) => wanted.some(({ id }) => id.port === at.id.port))
    if (rivals.length === 0) throw error
    for (const rival of rivals) await rival.close()
    try {
      return await openAll(wanted, options)
    } catch (again) {
      for (const rival of rivals) await rival.open()
      throw again
    }
  }
}

async function openAll(services: readonly Served[], options: ListenerOptions): Promise<Listeners> {
  const opened: Listeners = new Map()
  try {
    for (const service of services) {
      const at = placeOf(service.id)
      if (opened.has(at)) continue
      const listener = createListener(service, options)
      await listener.open()
      opened.set(at, listener)
    }
    return opened
  } catch (error) {
    for (const listener of opened.values()) await listener.close()
    throw error
  }
}

function createListener(at: Served, options: ListenerOptions): Listener {
  const names = new Names()
  const rateLimit = new RateLimit(options.answersPerSecond, Math.floor(Math.random() * 2 ** 32))
  const responder: Responder = { names, rateLimit }
  let sockets: readonly AsyncDisposable[] = []
  return {
    at,
    names,
    async open() {
      const udp = await listenUdp(at.id, responder).catch(inWordsOf(at.service))
      sockets = [udp]
      try {
        sockets = [udp, await listenTcp(at.id, responder, options).catch(inWordsOf(at.service))]
      } catch (error) {
        await udp[Symbol.asyncDispose]()
        throw error
      }
    },
    async close() {
      const closing = sockets
      sockets = []
      await Promise.all(closing.map((socket) => socket[Symbol.asyncDispose]()))
    },
  }
}

function inWordsOf(service: Service): (error: Error) => never {
  return (error) => {
    throw listenError(service, 'code' in error ? String(error.code) : error.message)
  }
}
