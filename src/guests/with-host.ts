/** What becomes of guests when their host starts and halts, where nothing else looks after them: those of QEMU. */
import { within } from '../deadline.ts'
import type { CallOptions, GuestState, Hypervisor } from './hypervisor.ts'
import { shutdownOrDestroy } from './power-off.ts'

export type Fate = {
  readonly guest: string
  readonly became: 'started' | 'shut down' | 'ended'
  /** Why it did not. */
  readonly error?: unknown
}

/** How long one guest may take to execute, its memory read where it is saved. */
const startMs = 120_000

/** Those that are marked and do not run, each from where it is: off, crashed with the host, or saved. */
export async function startMarked(hypervisor: Hypervisor, { signal }: CallOptions): Promise<readonly Fate[]> {
  const isDue = ({ definition, state }: GuestState): boolean =>
    definition.autostart && state !== 'running' && state !== 'paused'
  return forAll((await hypervisor.list({ signal })).filter(isDue), 'started', async (guest) => {
    await hypervisor.start(guest, { signal: within(signal, startMs) })
    return 'started'
  })
}

/** All that run, marked or not: the host goes away under them. Those that do not power off in time are ended. */
export async function endRunning(
  hypervisor: Hypervisor,
  { signal, patienceMs }: CallOptions & { readonly patienceMs: number },
): Promise<readonly Fate[]> {
  const isOn = ({ state }: GuestState): boolean => state === 'running' || state === 'paused'
  return forAll((await hypervisor.list({ signal })).filter(isOn), 'shut down', async (guest) => {
    let became: Fate['became'] = 'shut down'
    const onLate = (): void => void (became = 'ended')
    await shutdownOrDestroy(hypervisor, guest, { signal, patienceMs, onLate })
    return became
  })
}

/** Side by side; one that fails keeps no other from it. */
function forAll(
  guests: readonly GuestState[],
  wanted: Fate['became'],
  act: (guest: string) => Promise<Fate['became']>,
): Promise<readonly Fate[]> {
  return Promise.all(
    guests.map(async ({ definition: { name } }): Promise<Fate> => {
      try {
        return { guest: name, became: await act(name) }
      } catch (error) {
        return { guest: name, became: wanted, error }
      }
    }),
  )
}
