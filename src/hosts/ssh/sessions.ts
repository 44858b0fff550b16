/**
 * The sessions of one host: many commands over one connection, as many side by side as sshd_config(5)'s MaxSessions
 * allows, the others wait. Locks hold theirs for long, so they have connections of their own, opened when needed.
 */
import type { ClientChannel } from 'ssh2'
import { anySignal } from '../../deadline.ts'
import { InfraError } from '../../errors.ts'
import { abortError } from '../local/failures.ts'
import type { Session, SshConnection } from './connection.ts'

/** `lost`: why the connection is gone, when it is. */
type Body<T> = (session: Session, lost: () => Error | undefined) => Promise<T>

export type Sessions = {
  /** Runs `body` on the session of a command. A connection that is gone is opened anew by the next call. */
  run<T>(command: string, what: string, signal: AbortSignal, body: Body<T>): Promise<T>
  forward(path: string, what: string, signal: AbortSignal): Promise<ClientChannel>
  close(): void
}

type Place = { readonly connection: SshConnection; busy: number; limit: number }

/** MaxSessions is 10 when nothing else is set. */
const sessionsEach = 8

/** `connections`: how many there may be at once. */
export function openSessions(
  name: string,
  connect: (signal: AbortSignal) => Promise<SshConnection>,
  connections: number,
): Sessions {
  const closing = new AbortController()
  let places: Place[] = []
  let opening: Promise<Place> | undefined
  const waiting: (() => void)[] = []
  const wake = (): void => waiting.shift()?.()

  /** A place for one more session: on a connection that stands, on a new one, or when another session has ended. */
  const take = async (what: string, signal: AbortSignal): Promise<Place> => {
    for (;;) {
      if (signal.aborted) {
        wake() // the place that it may have been woken for is another one's
        throw abortError(signal, what, name)
      }
      places = places.filter(({ connection }) => connection.lost() === undefined)
      const free = places.find(({ busy, limit }) => busy < limit)
      if (free !== undefined) {
        free.busy += 1
        return free
      }
      if (opening === undefined && places.length < connections) {
        opening = connect(anySignal(signal, closing.signal)).then((connection) => {
          const place: Place = { connection, busy: 0, limit: sessionsEach }
          places.push(place)
          return place
        })
        const settled = (): void => {
          opening = undefined
          for (const go of waiting.splice(0)) go()
        }
        opening.then(settled, settled)
        await opening
      } else await turn(waiting, signal)
    }
  }
  const give = (place: Place): void => {
    place.busy -= 1
    wake()
  }

  return {
    async run(command, what, signal, body) {
      for (;;) {
        const place = await take(what, signal)
        try {
          using _use = place.connection.use()
          const session = await startSession(place, command, what, name)
          if (session !== undefined) return await body(session, place.connection.lost)
        } finally {
          give(place)
        }
      }
    },
    async forward(path, what, signal) {
      const place = await take(what, signal)
      try {
        using _opening = place.connection.use()
        const { channel, ended } = await place.connection.forward(path)
        return holding(channel, ended, place.connection)
      } finally {
        give(place) // a forwarded socket is no session
      }
    },
    close() {
      closing.abort(new InfraError('cancelled', `${name}: closed`, { subject: name }))
      for (const { connection } of places) connection.close()
    },
  }
}

/** As a socket of Node's: it keeps the process alive until it ends, or as long as it is not told to `unref`. */
function holding(channel: ClientChannel, ended: Promise<unknown>, connection: SshConnection): ClientChannel {
  let use: Disposable | undefined = connection.use()
  const unref = (): void => {
    use?.[Symbol.dispose]()
    use = undefined
  }
  let isOpen = true
  void ended.then(() => {
    isOpen = false
    unref()
  })
  const ref = (): void => {
    if (isOpen) use ??= connection.use()
  }
  return Object.assign(channel, { ref, unref })
}

/** undefined: the host allows fewer sessions than we thought; the caller waits for another one to end. */
async function startSession(place: Place, command: string, what: string, name: string): Promise<Session | undefined> {
  try {
    return await place.connection.exec(command)
  } catch (error) {
    const lost = place.connection.lost()
    if (lost === undefined && place.busy > 1) {
      place.limit = Math.max(1, place.busy - 1)
      return undefined
    }
    throw new InfraError(
      lost === undefined ? 'busy' : 'unreachable',
      `${what}: ${lost === undefined ? 'the host opens no session' : 'the connection was lost'}`,
      {
        subject: name,
        cause: lost ?? error,
        retryable: true,
        ...(lost === undefined ? { hint: 'see MaxSessions and PermitTTY in its sshd_config' } : {}),
      },
    )
  }
}

async function turn(waiting: (() => void)[], signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const go = (): void => {
      signal.removeEventListener('abort', onAbort)
      resolve()
    }
    const onAbort = (): void => {
      const at = waiting.indexOf(go)
      if (at >= 0) waiting.splice(at, 1)
      resolve()
    }
    signal.addEventListener('abort', onAbort, { once: true })
    waiting.push(go)
  })
}
