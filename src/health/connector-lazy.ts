/** The best connector of this machine: system calls, or Node's sockets where those cannot be made. */
import type { Connector } from './connector.ts'
import { netConnector } from './connector-net.ts'

export type LazyConnector = Connector & {
  /** Resolves when it is at its best, whatever that is. What is asked of it before is done by Node's sockets. */
  load(): Promise<void>
}

/** Nothing is loaded before it is asked for: a director that crashed is to be back soon. */
export function lazyConnector(): LazyConnector {
  let best: Connector | undefined
  let isClosed = false
  let loading: Promise<void> | undefined
  const load = async (): Promise<void> => {
    const { epollConnector } = await import('./connector-epoll.ts')
    if (isClosed) return
    try {
      best = epollConnector()
    } catch {
      best = netConnector
    }
  }
  return {
    get kind() {
      return best?.kind ?? 'net'
    },
    load: () => (loading ??= load()),
    connect: (target, listener) => (best ?? netConnector).connect(target, listener),
    [Symbol.dispose]() {
      isClosed = true
      best?.[Symbol.dispose]()
    },
  }
}
