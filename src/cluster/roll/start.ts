/** What a roll is to do, from the words of who wants it; refused where it cannot be done. Pure. */
import { InfraError } from '../../errors.ts'
import { type ClusterSpec, type GuestPoolSpec, guestNames } from '../spec/model.ts'
import type { RollLimits } from './machine.ts'
import type { RollRecord } from './record.ts'

export type RollRequest = {
  /** Names of guests, or of pools. */
  readonly guests: readonly string[]
  readonly image?: string
  readonly limits: RollLimits
}

/** @throws InfraError `not-found` or `invalid`, saying what can be done instead. */
export function startRoll(spec: ClusterSpec, { guests, image, limits }: RollRequest): RollRecord {
  const found = guests.map((name) => meant(spec, name))
  const [first] = found
  const others = found.filter(({ pool }) => pool !== first?.pool)
  if (first === undefined || others[0] !== undefined)
    throw new InfraError('invalid', `${first?.pool.name} and ${others[0]?.pool.name} are two pools`, {
      subject: spec.name,
      hint: 'roll one pool after the other',
    })
  const { pool } = first
  if (image !== undefined && image !== 'tiny' && spec.images[image] === undefined)
    throw new InfraError('not-found', `the file has no image ${image}`, {
      subject: image,
      hint: `it has ${[...new Set([...Object.keys(spec.images), 'tiny'])].join(', ')}`,
    })
  if (limits.maxUnavailable + limits.surge === 0)
    throw new InfraError('invalid', 'with --max-unavailable 0 nothing could ever be renewed', {
      subject: pool.name,
      hint: 'add --surge 1: another guest serves meanwhile',
    })
  const names = new Set(found.flatMap((one) => one.names))
  return {
    cluster: spec.name,
    pool: pool.name,
    ...(image === undefined ? {} : { image }),
    guests: guestNames(pool).filter((name) => names.has(name)),
    limits,
    done: [],
    underWay: [],
    extras: extraNames(spec, pool, limits.surge),
  }
}

type Meant = { readonly pool: GuestPoolSpec; readonly names: readonly string[] }

function meant({ guests }: ClusterSpec, name: string): Meant {
  const pool = guests[name]
  if (pool !== undefined) return { pool, names: guestNames(pool) }
  for (const other of Object.values(guests)) if (guestNames(other).includes(name)) return { pool: other, names: [name] }
  throw new InfraError('not-found', `the file has no guest and no pool ${name}`, {
    subject: name,
    hint: `its pools are ${Object.keys(guests).join(', ') || 'none'}`,
  })
}

function extraNames({ guests }: ClusterSpec, pool: GuestPoolSpec, surge: number): string[] {
  if (surge === 0) return []
  const refuse = (message: string, hint: string): InfraError =>
    new InfraError('invalid', message, { subject: pool.name, hint })
  const { count, network } = pool
  if (count === undefined)
    throw refuse(`${pool.name} is one guest by itself, not a pool`, 'give it a count, or leave --surge out')
  if (network.kind === 'bridge' && network.addresses.length > 0)
    throw refuse(`the guests of ${pool.name} have fixed addresses: there is none for another one`, 'leave --surge out')
  const names = Array.from({ length: surge }, (_, index) => `${pool.name}-${count + index + 1}`)
  const taken = names.find((name) => guests[name] !== undefined)
  if (taken !== undefined) throw refuse(`another guest is called ${taken}`, 'leave --surge out')
  return names
}

/** The spec while the pool rolls: with its new image, and room for `extra` guests. */
export function rolledSpec(spec: ClusterSpec, { pool: name, image }: RollRecord, extra: number): ClusterSpec {
  const pool = spec.guests[name]
  if (pool === undefined)
    throw new InfraError('not-found', `the file has no pool ${name} any more`, {
      subject: name,
      hint: 'baton roll --abort forgets the roll',
    })
  const { count } = pool
  const rolled = {
    ...pool,
    ...(image === undefined ? {} : { image }),
    ...(count === undefined ? {} : { count: count + extra }),
  }
  return { ...spec, guests: { ...spec.guests, [name]: rolled } }
}
