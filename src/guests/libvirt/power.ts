/** Powering off: the guest is asked and may take its time. */
import { setTimeout as sleep } from 'node:timers/promises'
import { anySignal } from '../../deadline.ts'
import { InfraError, isInfraError } from '../../errors.ts'
import { abortError } from '../../hosts/local/failures.ts'
import { decodeValues } from '../../wire/libvirt/notation.ts'
import { messages } from '../../wire/libvirt/procedures.ts'
import type { CallOptions } from '../hypervisor.ts'
import type { Connection } from './connection.ts'
import type { Known } from './observe.ts'

/** How often it is asked again: a guest that still boots does not hear the first time. */
const askAgainMs = 3_000
/** virDomainEventID, virDomainEventType. */
const lifecycleEvent = 0
const stopped = 5

/** Calls `tell` for each life-cycle event from now on, of all guests; the function given back ends it. */
export async function onLifecycle(
  connection: Connection,
  tell: (event: { readonly name: string; readonly event: number }) => void,
  options: CallOptions,
): Promise<() => Promise<void>> {
  const [number, content] = messages.domainLifecycle
  let own: number | undefined
  const early: { readonly id: number; readonly name: string; readonly event: number }[] = []
  const ignore = connection.listen((procedure, payload) => {
    if (procedure !== number) return
    const [id, { name }, event] = decodeValues(content, payload)
    if (own === undefined) early.push({ id, name, event })
    else if (id === own) tell({ name, event })
  })
  try {
    ;[own] = await connection.call('domainEventRegisterAny', [lifecycleEvent, undefined], options)
  } catch (error) {
    ignore()
    throw error
  }
  const registered = own
  for (const { id, ...event } of early) if (id === registered) tell(event)
  return async () => {
    ignore()
    if (connection.lost.aborted) return
    await connection.call('domainEventDeregisterAny', [registered], { signal: AbortSignal.timeout(5_000) })
  }
}

/** Until the guest is off, woken when it is paused. The agent is asked where there is one, else the power button pressed. */
export async function powerOff(connection: Connection, { domain, state }: Known, options: CallOptions): Promise<void> {
  const off = new AbortController()
  const ignore = await onLifecycle(
    connection,
    ({ name, event }) => {
      if (name === domain.name && event === stopped) off.abort()
    },
    options,
  )
  const signal = anySignal(off.signal, options.signal, connection.lost)
  try {
    if (state === 'paused') await connection.call('domainResume', [domain], options)
    while (!signal.aborted) {
      if (!(await press(connection, domain, options))) return
      await sleep(askAgainMs, undefined, { signal }).catch(() => {})
    }
  } finally {
    await ignore()
  }
  if (off.signal.aborted) return
  if (connection.lost.aborted) throw connection.lost.reason
  const { code, message, subject } = abortError(options.signal, `shut down ${domain.name}`, domain.name)
  const hint = `the guest may not listen to its power button: baton destroy ${domain.name} ends it at once`
  throw new InfraError(code, message, { subject, hint })
}

/** false when it is off already. */
async function press(connection: Connection, domain: Known['domain'], options: CallOptions): Promise<boolean> {
  try {
    await connection.call('domainShutdownFlags', [domain, 0], options)
    return true
  } catch (error) {
    if (isInfraError(error, 'invalid')) return false
    throw error
  }
}
