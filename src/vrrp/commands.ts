/** Commands that say whether this machine is fit to be master: run again and again, counted as checks are. */
import { execFile } from 'node:child_process'
import { beginHealth, type HealthState, step } from '../health/machine.ts'
import type { TrackedState } from './machine/tracking.ts'
import { type TrackSpec, trackName } from './spec.ts'

type CommandSpec = TrackSpec & { readonly kind: 'command' }

/** Until it is disposed of. `onState`: at first, and when it changes. */
export function watchCommand(spec: CommandSpec, onState: (name: string, state: TrackedState) => void): Disposable {
  const [program = '', ...argv] = spec.argv
  const life = new AbortController()
  let health: HealthState = beginHealth(undefined, performance.now())
  let timer: NodeJS.Timeout | undefined
  const run = (): void => {
    const beganMs = performance.now()
    const options = { timeout: spec.timeoutMs, killSignal: 'SIGKILL', signal: life.signal, maxBuffer: 65_536 } as const
    execFile(program, argv, options, (error) => {
      if (life.signal.aborted) return
      const kind = error === null ? 'succeeded' : 'failed'
      const next = step(spec, health, { kind, check: 'probe', atMs: performance.now(), detail: error?.message ?? '' })
      health = next.state
      if (next.effects.some((effect) => effect.kind === 'changed'))
        onState(trackName(spec), health.kind === 'healthy' ? 'well' : 'ill')
      timer = setTimeout(run, Math.max(spec.everyMs - (performance.now() - beganMs), 0))
    })
  }
  run()
  return {
    [Symbol.dispose]: () => {
      clearTimeout(timer)
      life.abort()
    },
  }
}
