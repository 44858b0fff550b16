/** A checker on a clock of its own, with probes that answer as told: for tests. */
import type { CheckSpec, ProbeResult } from '../../src/health/check.ts'
import { type Checker, openChecker } from '../../src/health/checker.ts'
import { type FakeTiming, fakeTiming } from '../../src/health/fake-timing.ts'
import type { CheckResult, CheckTarget, HealthChange, HealthDoubt } from '../../src/health/target.ts'
import { buildCheck } from './services.ts'

export const buildTarget = (port: number, changes: Partial<CheckSpec> = {}): CheckTarget => ({
  check: buildCheck(changes),
  endpoint: { address: '10.0.0.1', port },
})

export type CheckerWorld = AsyncDisposable & {
  readonly timing: FakeTiming
  readonly checker: Checker
  readonly probed: { port: number; atMs: number }[]
  readonly changes: HealthChange[]
  readonly results: CheckResult[]
  readonly doubts: HealthDoubt[]
  readonly troubles: (string | undefined)[]
  readonly running: { now: number; most: number }
  /** The kinds of all probes so far. */
  readonly kinds: () => string
}

export function openCheckerWorld(
  answer: (port: number) => Promise<boolean> = () => Promise.resolve(true),
  concurrency = 512,
): CheckerWorld {
  const timing: FakeTiming = fakeTiming()
  const probed: { port: number; atMs: number }[] = []
  const changes: HealthChange[] = []
  const results: CheckResult[] = []
  const doubts: HealthDoubt[] = []
  const troubles: (string | undefined)[] = []
  const opened: string[] = []
  const running = { now: 0, most: 0 }
  const checker = openChecker({
    timing,
    concurrency,
    onChange: (change) => changes.push(change),
    onResult: (result) => results.push(result),
    onDoubt: (doubt) => doubts.push(doubt),
    onTrouble: (trouble) => troubles.push(trouble),
    open:
      ({ kind }) =>
      async (endpoint, { signal }): Promise<ProbeResult> => {
        opened.push(kind)
        probed.push({ port: endpoint.port, atMs: timing.now() })
        running.now += 1
        running.most = Math.max(running.most, running.now)
        const aborted = new Promise<false>((resolve) =>
          signal.addEventListener('abort', () => resolve(false), { once: true }),
        )
        const healthy = await Promise.race([answer(endpoint.port), aborted])
        running.now -= 1
        return { healthy, detail: String(healthy), tookMs: 0 }
      },
  })
  const kinds = (): string => opened.join(' ')
  const told = { probed, changes, results, doubts, troubles, running, kinds }
  return { timing, checker, ...told, [Symbol.asyncDispose]: () => checker[Symbol.asyncDispose]() }
}
