/** Carries a roll out: asks the machine, does what it says, writes down what is done, until there is an end. */
import { setTimeout as sleep } from 'node:timers/promises'
import { within } from '../../deadline.ts'
import type { DirectorStatus, ServerStatus } from '../../director/control.ts'
import { serversOfGuest } from '../../director/guest-servers.ts'
import { Bug, InfraError, isInfraError } from '../../errors.ts'
import { joinServices, runAction } from '../apply/actions.ts'
import { deadlines } from '../apply/apply.ts'
import { type Membership, openMembership } from '../apply/membership.ts'
import { needsPlacement, placeSpec } from '../plan/place.ts'
import { type WantedGuest, wantedGuests } from '../plan/wanted.ts'
import type { Site } from '../site.ts'
import { type ClusterSpec, guestNames } from '../spec/model.ts'
import { decide, type ExtraGuest, type RollEnd, type RollGuest, type RollStep } from './machine.ts'
import type { RollRecord, RollRecords } from './record.ts'
import { rolledSpec } from './start.ts'

export type RollEvent = {
  readonly kind: 'started' | 'progress' | 'finished' | 'failed'
  readonly step: RollStep
  readonly text?: string
  readonly error?: unknown
}

export type RollOptions = {
  readonly signal: AbortSignal
  readonly onEvent: (event: RollEvent) => void
  /** How long it waits for guests that are not healthy before it gives up. */
  readonly patienceMs?: number
}

export type Rolled = { readonly end: RollEnd; readonly record: RollRecord; readonly errors: readonly unknown[] }

const lookMs = 200
const usualPatienceMs = 180_000
const filesMs = 10_000

/**
 * From what the record says to its end. After an abort of the signal, or a kill, the record says how far it came. Throws
 * InfraError `timeout` when the pool's other guests do not serve, so that none may go.
 */
export async function roll(
  spec: ClusterSpec,
  sites: ReadonlyMap<string, Site>,
  records: RollRecords,
  begun: RollRecord,
  options: RollOptions,
): Promise<Rolled> {
  const { signal, onEvent, patienceMs = usualPatienceMs } = options
  const rolled = rolledSpec(spec, begun, begun.extras.length)
  const membership = openMembership(rolled, sites)
  const wanted = wantedGuests(rolled, await placedNow(rolled, sites, signal))
  let record = begun
  const note = async (next: Partial<RollRecord>): Promise<void> => {
    record = { ...record, ...next }
    await records.write(record, { signal: AbortSignal.timeout(filesMs) })
  }
  const busy = new Map<string, { readonly step: RollStep; readonly done: Promise<void> }>()
  const errors: unknown[] = []
  const begin = (step: RollStep): void => {
    onEvent({ kind: 'started', step })
    const progress = (text: string): void => onEvent({ kind: 'progress', step, text })
    const context = {
      cluster: spec.name,
      sites,
      membership,
      signal: within(signal, deadlines['guest.replace']),
      progress,
    }
    const done = carryOut(step, wanted, context)
      .then(
        async () => {
          if (step.kind === 'renew')
            await note({
              done: [...record.done, step.guest],
              underWay: record.underWay.filter((name) => name !== step.guest),
            })
          onEvent({ kind: 'finished', step })
        },
        (error: unknown) => {
          errors.push(error)
          onEvent({ kind: 'failed', step, error })
        },
      )
      .finally(() => busy.delete(step.guest))
    busy.set(step.guest, { step, done })
  }
  await note({})
  try {
    for (let idleSince = performance.now(); ; ) {
      const seen = await look(spec.name, sites, membership, signal)
      const view = {
        guests: poolView(record, spec, busy, seen),
        extras: record.extras.map((name) => extraView(name, busy, seen)),
        limits: record.limits,
        wish: await records.wish({ signal }),
        hasFailed: errors.length > 0,
      }
      const { steps, end } = decide(view)
      const renewing = steps.flatMap(({ kind, guest }) => (kind === 'renew' ? [guest] : []))
      // Before anything is done about them: a kill from here on leaves them to be renewed again.
      if (renewing.length > 0) await note({ underWay: [...new Set([...record.underWay, ...renewing])] })
      for (const step of steps) begin(step)
      if (busy.size > 0) {
        idleSince = performance.now()
        await Promise.race([...busy.values()].map(({ done }) => done))
        continue
      }
      if (end !== undefined) {
        signal.throwIfAborted()
        if (end === 'done' || end === 'aborted') await close(spec, sites, records, record, options)
        return { end, record, errors }
      }
      if (performance.now() - idleSince > patienceMs) throw tooFewServe(view.guests, record)
      await sleep(lookMs, undefined, { signal })
    }
  } finally {
    await Promise.all([...busy.values()].map(({ done }) => done))
  }
}

/** Everyone stays where it is; extra guests go where there is room. */
async function placedNow(
  spec: ClusterSpec,
  sites: ReadonlyMap<string, Site>,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, string>> {
  if (!needsPlacement(spec)) return new Map()
  const rooms = [...sites.values()].map(
    async ({ name, hypervisor }) => [name, { guests: await hypervisor.list({ signal }) }] as const,
  )
  const { hosts, lacks } = placeSpec(spec, new Map(await Promise.all(rooms)))
  if (lacks.length === 0) return hosts
  throw new InfraError('no-space', lacks.join('; '), { subject: spec.name, hint: 'leave --surge out' })
}

type Context = Parameters<typeof runAction>[1]

async function carryOut(
  { kind, guest: name }: RollStep,
  wanted: ReadonlyMap<string, WantedGuest>,
  context: Context,
): Promise<void> {
  const found = wanted.get(name)
  if (found === undefined) throw new Bug(`a roll names a guest that is not wanted: ${name}`)
  const { host, guest } = found
  if (kind === 'renew') return await runAction({ kind: 'guest.replace', host, guest }, context)
  if (kind === 'drop') return await runAction({ kind: 'guest.remove', host, guest: name }, context)
  await runAction({ kind: 'guest.create', host, guest }, context)
  await joinServices(name, context)
}

/** Without room for extra guests: as the next `up` would have it, but for the image. */
async function close(
  spec: ClusterSpec,
  sites: ReadonlyMap<string, Site>,
  records: RollRecords,
  record: RollRecord,
  { signal }: RollOptions,
): Promise<void> {
  const membership = openMembership(rolledSpec(spec, record, 0), sites)
  for (const director of membership.directors)
    await membership.apply(director, { signal, progress: () => {} }).catch((error: unknown) => {
      if (!isInfraError(error, 'not-found')) throw error
    })
  await records.remove({ signal })
}

type Seen = {
  readonly running: ReadonlySet<string>
  readonly known: ReadonlySet<string>
  readonly statuses: readonly DirectorStatus[]
}

async function look(
  cluster: string,
  sites: ReadonlyMap<string, Site>,
  { directors }: Membership,
  signal: AbortSignal,
): Promise<Seen> {
  const lists = await Promise.all([...sites.values()].map(({ hypervisor }) => hypervisor.list({ signal })))
  const own = lists.flat().filter(({ definition }) => definition.mark?.cluster === cluster)
  const names = (guests: typeof own): Set<string> => new Set(guests.map(({ definition }) => definition.name))
  const statuses: DirectorStatus[] = []
  for (const { control } of directors)
    try {
      statuses.push(await control.status({ signal }))
    } catch (error) {
      if (!isInfraError(error, 'not-found')) throw error
    }
  return { known: names(own), running: names(own.filter(({ state }) => state === 'running')), statuses }
}

/** Who is in no service serves when it runs. */
function isUsable(name: string, { running, statuses }: Seen): boolean {
  if (!running.has(name)) return false
  return statuses.every((status) => serversOfGuest(status, name).every(takesConnections))
}

const takesConnections = ({ health, wantedWeight, weight }: ServerStatus): boolean =>
  (health === 'healthy' || health === 'unchecked') && (wantedWeight === 0 || (weight ?? 0) > 0)

type Busy = ReadonlyMap<string, { readonly step: RollStep }>

function poolView(
  { pool, guests, done, underWay }: RollRecord,
  spec: ClusterSpec,
  busy: Busy,
  seen: Seen,
): RollGuest[] {
  const own = spec.guests[pool]
  return (own === undefined ? [] : guestNames(own)).map((name) => {
    const isOld = guests.includes(name) && !done.includes(name)
    const old = underWay.includes(name) ? 'begun' : 'old'
    const state = busy.has(name) ? 'renewing' : isOld ? old : 'new'
    return { name, state, usable: state !== 'renewing' && isUsable(name, seen) }
  })
}

function extraView(name: string, busy: Busy, seen: Seen): ExtraGuest {
  const step = busy.get(name)?.step
  if (step !== undefined) return { name, state: step.kind === 'add' ? 'making' : 'dropping', usable: false }
  return { name, state: seen.known.has(name) ? 'there' : 'absent', usable: isUsable(name, seen) }
}

function tooFewServe(guests: readonly RollGuest[], { pool, limits }: RollRecord): InfraError {
  const sick = guests.flatMap(({ name, usable }) => (usable ? [] : [name]))
  return new InfraError(
    'timeout',
    `no guest of ${pool} may go: ${sick.join(', ')} ${sick.length === 1 ? 'does' : 'do'} not serve, and ${limits.maxUnavailable} may be without service`,
    { subject: pool, retryable: true, hint: 'baton status shows why; then baton roll --resume, or --abort' },
  )
}
