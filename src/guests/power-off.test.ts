import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { InfraError } from '../errors.ts'
import { shutdownOrDestroy } from './power-off.ts'

/** A guest that hears nothing: `shutdown` ends with its deadline. */
function deaf() {
  const done: string[] = []
  return {
    done,
    shutdown: async (name: string, { signal }: { readonly signal: AbortSignal }): Promise<void> => {
      done.push(`shutdown ${name}`)
      await sleep(60_000, undefined, { signal }).catch(() => {
        const code = (signal.reason as Error).name === 'TimeoutError' ? 'timeout' : 'cancelled'
        throw new InfraError(code, `shut down ${name}`, { subject: name })
      })
    },
    destroy: async (name: string): Promise<void> => void done.push(`destroy ${name}`),
  }
}

test('a guest that does not power off in time is ended, and that is told', async () => {
  const hypervisor = deaf()
  const onLate = (): void => void hypervisor.done.push('late')
  await shutdownOrDestroy(hypervisor, 'web', { signal: AbortSignal.timeout(60_000), patienceMs: 20, onLate })
  expect(hypervisor.done).toEqual(['shutdown web', 'late', 'destroy web'])
})

test('what the caller gives up is not ended, and neither is what cannot be asked', async () => {
  const hypervisor = deaf()
  const leave = new AbortController()
  const asked = shutdownOrDestroy(hypervisor, 'web', { signal: leave.signal, patienceMs: 60_000, onLate: () => {} })
  leave.abort()
  await expect(asked).rejects.toMatchObject({ code: 'cancelled' })
  const shutdown = async (): Promise<void> => {
    throw new InfraError('unreachable', 'no answer', { subject: 'web' })
  }
  const options = { signal: AbortSignal.timeout(60_000), patienceMs: 60_000, onLate: () => {} }
  await expect(shutdownOrDestroy({ ...hypervisor, shutdown }, 'web', options)).rejects.toMatchObject({
    code: 'unreachable',
  })
  expect(hypervisor.done).toEqual(['shutdown web'])
})
