/** Powering off: the guest is asked and may take its time. */
import { setTimeout as sleep } from 'node:timers/promises'
import { anySignal } from '../../deadline.ts'
import { InfraError, isInfraError } from '../../errors.ts'
import { abortError } from '../../hosts/local/failures.ts'
import type { CallOptions } from '../hypervisor.ts'
import { type Connection, lossOf } from './connection.ts'
import { onLifecycle } from './domain-events.ts'
import type { Known } from './observe.ts'

/** How often it is asked again: a guest that still boots does not hear the first time. */
const askAgainMs = 3_000
/** virDomainEventType. */
const stopped = 5

/** Until the guest is off, woken when it is paused. The agent is asked where there is one, else the power button pressed. */
export async function powerOff(connection: Connection, { domain, state }: Known, options: CallOptions): Promise<void> {
  const off = new AbortController()
  const ignore = await onLifecycle(connection, ({ name, event }) => {
    if (name === domain.name && event === stopped) off.abort()
  })
  const signal = anySignal(off.signal, options.signal, connection.lost)
  try {
    if (state === 'paused') await connection.call('domainResume', [domain], options)
    while (!signal.aborted) {
      if (!(await press(connection, domain, options))) return
      await sleep(askAgainMs, undefined, { signal }).catch(() => {})
    }
  } finally {
    ignore()
  }
  if (off.signal.aborted) return
  if (connection.lost.aborted) throw lossOf(connection.lost, `shut down ${domain.name}`)
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
