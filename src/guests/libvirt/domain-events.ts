/** Events of domains as libvirt sends them, told to all in this process who want to hear of them. */
import { decodeValues, type Values } from '../../wire/libvirt/notation.ts'
import { messages } from '../../wire/libvirt/procedures.ts'
import type { Connection } from './connection.ts'

/** virDomainEventID. */
const eventIds = { domainLifecycle: 0, domainDeviceRemoved: 15 } as const

type Kind = keyof typeof eventIds
type Content<K extends Kind> = Values<(typeof messages)[K][1]>

/** libvirt takes one registration of an event from a connection, so all who listen share it; it ends with the connection. */
const registrations = new WeakMap<Connection, Map<Kind, Promise<number>>>()
const registerMs = 10_000

function registration(connection: Connection, kind: Kind): Promise<number> {
  const standing = registrations.get(connection) ?? new Map<Kind, Promise<number>>()
  registrations.set(connection, standing)
  const there = standing.get(kind)
  if (there !== undefined) return there
  const options = { signal: AbortSignal.timeout(registerMs) }
  const made = connection.call('domainEventRegisterAny', [eventIds[kind], undefined], options).then(([id]) => id)
  standing.set(kind, made)
  made.catch(() => standing.delete(kind))
  return made
}

/** Calls `tell` for each event of this kind from now on, of all guests; the function given back ends it. */
export async function onDomainEvent<K extends Kind>(
  connection: Connection,
  kind: K,
  tell: (values: Content<K>) => void,
): Promise<() => void> {
  const [number, content] = messages[kind]
  const ignore = connection.listen((procedure, payload) => {
    if (procedure === number) tell(decodeValues(content, payload) as Content<K>)
  })
  try {
    await registration(connection, kind)
    return ignore
  } catch (error) {
    ignore()
    throw error
  }
}

/** As `onDomainEvent`, for changes of state. */
export function onLifecycle(
  connection: Connection,
  tell: (event: { readonly name: string; readonly event: number }) => void,
): Promise<() => void> {
  return onDomainEvent(connection, 'domainLifecycle', ([, { name }, event]) => tell({ name, event }))
}
