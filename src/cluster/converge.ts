/** The three verbs on a whole cluster: look and plan, make it so, take it away. */
import { sweepLaunch, sweepTraffic } from '../api/launch.ts'
import { InfraError } from '../errors.ts'
import type { Host } from '../hosts/host.ts'
import { type ApplyEvent, type ApplyResult, apply } from './apply/apply.ts'
import { observe } from './observe.ts'
import type { Plan } from './plan/plan.ts'
import { planDown, planUp } from './plan/planner.ts'
import type { Site } from './site.ts'
import type { ClusterSpec } from './spec/model.ts'

type CallOptions = { readonly signal: AbortSignal }

/** A launch that is under way is waited for. */
const sweepMs = 30_000

/** So many guests without room are told. */
const mostLacks = 5
const more = (lacks: number): string => (lacks > mostLacks ? `; and ${lacks - mostLacks} more guests` : '')

/** @throws InfraError `already-exists` naming every guest that is in the way, `no-space` when the hosts have no room for all. */
export async function makePlan(
  spec: ClusterSpec,
  sites: ReadonlyMap<string, Site>,
  direction: 'up' | 'down',
  options: CallOptions,
): Promise<Plan> {
  const observed = await observe(direction === 'up' ? spec : { ...spec, guests: {} }, sites, options)
  if (direction === 'down') return planDown(spec, observed)
  const planned = planUp(spec, observed)
  if (planned.kind === 'plan') return planned.plan
  if (planned.kind === 'no-room')
    throw new InfraError('no-space', planned.lacks.slice(0, mostLacks).join('; ') + more(planned.lacks.length), {
      subject: spec.name,
      hint: 'add a host, make guests smaller or fewer, or give more: capacity of a host',
    })
  throw new InfraError('already-exists', planned.conflicts.join('; '), { subject: spec.name })
}

export type RunOptions = CallOptions & {
  readonly onEvent?: (event: ApplyEvent) => void
  readonly concurrency?: number
}

export async function run(
  plan: Plan,
  spec: ClusterSpec,
  sites: ReadonlyMap<string, Site>,
  direction: 'up' | 'down',
  options: RunOptions,
): Promise<ApplyResult> {
  const result = await apply(plan, spec, sites, options)
  if (direction === 'down')
    for (const { host, isHere } of sites.values()) {
      await sweepLaunch(host, { signal: AbortSignal.timeout(sweepMs) })
      if (isHere) await sweepTraffic(host, spec.name, { signal: AbortSignal.timeout(sweepMs) })
      await removeEmptyDirectories(host)
    }
  return result
}

/**
 * One `up` or `down` of a cluster at a time on this machine. `onWait` is called when another one has to be waited for.
 */
export async function lockCluster(
  host: Host,
  cluster: string,
  options: CallOptions & { readonly onWait: () => void },
): Promise<AsyncDisposable> {
  const path = `${host.directories.runtime}/${cluster}.lock`
  const soon = setTimeout(options.onWait, 300)
  try {
    const lock = await host.lock(path, options)
    return {
      async [Symbol.asyncDispose]() {
        await host.remove(path, { signal: AbortSignal.timeout(5_000) })
        await lock[Symbol.asyncDispose]()
        await removeEmptyDirectories(host)
      },
    }
  } finally {
    clearTimeout(soon)
  }
}

/** What was made for guests and directors that are gone now. */
async function removeEmptyDirectories(host: Host): Promise<void> {
  const { runtime, state } = host.directories
  await host.run(
    [
      'rmdir',
      '--ignore-fail-on-non-empty',
      `${runtime}/guests`,
      runtime,
      `${state}/guests`,
      `${state}/fake/guests`,
      `${state}/fake`,
      state,
      state.replace(/\/fake-hosts\/[^/]*$/, '/fake-hosts'),
    ],
    { signal: AbortSignal.timeout(5_000) },
  )
}
