/** The one connection to a host's libvirt daemon: opened when first asked for, and anew when it was lost. */
import { isInfraError } from '../../errors.ts'
import type { Host } from '../../hosts/host.ts'
import { abortError } from '../../hosts/local/failures.ts'
import type { CallOptions } from '../hypervisor.ts'
import type { Connection } from './connection.ts'
import { type Daemon, findDaemon, openLibvirt } from './open.ts'

/** A connection with where its daemon keeps what runs. */
export type Linked = { readonly connection: Connection; readonly runtime: string }

export type Link = {
  /** Whoever comes while it is being opened waits with the first, but no longer than it wants to. */
  open(options: CallOptions): Promise<Linked>
  close(): void
}

/** `uri`: of the daemon; left out, the host's environment says. */
export function daemonLink(host: Host, uri?: string): Link {
  let standing: Promise<Linked> | undefined
  const connect = async (options: CallOptions): Promise<Linked> => {
    const daemon = await findDaemon(host, options, uri)
    return { connection: await openLibvirt(host, daemon, options), runtime: runtimeOf(daemon) }
  }
  return {
    async open(options) {
      const { signal } = options
      for (;;) {
        if (signal.aborted) throw abortError(signal, 'ask libvirt', host.name)
        if (standing === undefined) {
          const opening = connect(options)
          standing = opening
          opening.catch(() => {
            if (standing === opening) standing = undefined
          })
          return await opening
        }
        const waited = standing
        const there = await unlessAborted(waited, signal).catch((error: unknown) => {
          // Who opens it gave up, or we do; another failure is everybody's.
          if (isInfraError(error, 'cancelled') || isInfraError(error, 'timeout')) return undefined
          throw error
        })
        if (there !== undefined && !there.connection.lost.aborted) return there
        if (there !== undefined && standing === waited) standing = undefined
      }
    },
    close() {
      standing?.then(({ connection }) => connection.close()).catch(() => {})
      standing = undefined
    },
  }
}

function runtimeOf({ sockets }: Daemon): string {
  const [socket = ''] = sockets
  return socket.slice(0, socket.lastIndexOf('/'))
}

async function unlessAborted<T>(waited: Promise<T>, signal: AbortSignal): Promise<T> {
  let giveUp = (): void => {}
  const aborted = new Promise<never>((_resolve, reject) => {
    giveUp = () => reject(abortError(signal, 'ask libvirt', 'libvirt'))
    signal.addEventListener('abort', giveUp, { once: true })
  })
  try {
    return await Promise.race([waited, aborted])
  } finally {
    signal.removeEventListener('abort', giveUp)
  }
}
