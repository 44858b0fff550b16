/** The addresses at which questions come in: one UDP and one TCP socket each, however many names share it. */
import type { InfraError } from '../../errors.ts'
import { type Endpoint, formatEndpoint, type Service } from '../../lvs/service.ts'
import { listenError } from '../userspace/listen-error.ts'
import { Names } from './names.ts'
import { RateLimit } from './rate-limit.ts'
import type { Responder } from './serve.ts'
import { listenTcp, type TcpLimits } from './tcp.ts'
import { listenUdp } from './udp.ts'
import type { DnsServiceId } from './zone.ts'

export type Listener = AsyncDisposable & { readonly place: Endpoint; readonly names: Names }

export type ListenerOptions = TcpLimits & {
  /** Answers a second over UDP for each network (IPv4 /24, IPv6 /56) but this machine's. */
  readonly answersPerSecond: number
}

/** By where they listen. */
export type Listeners = Map<string, Listener>

export const placeOf = ({ address, port }: DnsServiceId): string => formatEndpoint({ address, port })

/**
 * Opens what these services need and `standing` lacks; with an error nothing stays open.
 * @throws InfraError `busy`, `permission`, `not-found` … with the service's key as its subject.
 */
export async function openListeners(
  services: Iterable<{ readonly id: DnsServiceId; readonly service: Service }>,
  standing: Listeners,
  options: ListenerOptions,
): Promise<Listeners> {
  const opened: Listeners = new Map()
  try {
    for (const { id, service } of services) {
      const at = placeOf(id)
      if (standing.has(at) || opened.has(at)) continue
      opened.set(at, await openListener(id, service, options))
    }
    return opened
  } catch (error) {
    for (const listener of opened.values()) await listener[Symbol.asyncDispose]()
    throw error
  }
}

async function openListener(place: DnsServiceId, service: Service, options: ListenerOptions): Promise<Listener> {
  const names = new Names()
  const rateLimit = new RateLimit(options.answersPerSecond, Math.floor(Math.random() * 2 ** 32))
  const responder: Responder = { names, rateLimit }
  const udp = await listenUdp(place, responder).catch(inWordsOf(service))
  try {
    const tcp = await listenTcp(place, responder, options).catch(inWordsOf(service))
    return {
      place,
      names,
      async [Symbol.asyncDispose]() {
        await Promise.all([udp[Symbol.asyncDispose](), tcp[Symbol.asyncDispose]()])
      },
    }
  } catch (error) {
    await udp[Symbol.asyncDispose]()
    throw error
  }
}

function inWordsOf(service: Service): (error: Error) => never {
  return (error) => {
    const reason: InfraError = listenError(service, 'code' in error ? String(error.code) : error.message)
    throw reason
  }
}
