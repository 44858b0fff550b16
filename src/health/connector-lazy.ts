/** The best connector of this machine: Node's sockets until system calls are loaded, and for good where they cannot be. */
import type { Connector } from './connector.ts'
import { netConnector } from './connector-net.ts'

/** Nothing is loaded before the first connection is asked for: a director that crashed is to be back soon. */
export function lazyConnector(): Connector {
  let best: Connector | undefined
  let isClosed = false
  const load = async (): Promise<void> => {
    const { epollConnector } = await import('./connector-epoll.ts')
    if (isClosed) return
    try {
      best = epollConnector()
    } catch {
      best = netConnector
    }
  }
  let loading: Promise<void> | undefined
  return {
    get kind() {
      return best?.kind ?? 'net'
    },
    connect(target, listener) {
      loading ??= load()
      return (best ?? netConnector).connect(target, listener)
    },
    [Symbol.dispose]() {
      isClosed = true
      best?.[Symbol.dispose]()
    },
  }
}
