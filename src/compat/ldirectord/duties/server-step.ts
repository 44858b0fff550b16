/** One server as its log tells it: what it was, what happens to it, what is said. Pure. */
import type { Health } from '../../../director/states.ts'

export type ServerStanding = {
  /** In the table; undefined: not there. */
  readonly weight: number | undefined
  readonly health: Health
  /** Whether it was said, and mailed, that it does not work. */
  readonly isDown: boolean
}

export type ServerEvent =
  | { readonly kind: 'health'; readonly to: Health }
  | { readonly kind: 'weight'; readonly to: number | undefined }

/** `alert`: a mail. `down` is repeated until `up`, `gone` or `quiet`; the last is no mail by itself. */
export type ServerSaid = {
  readonly verb: 'Added' | 'Restored' | 'Deleted' | 'Quiescent' | 'Resetting'
  readonly weight?: number
  readonly alert?: 'up' | 'down' | 'quiet'
}

export type ServerStep = { readonly standing: ServerStanding; readonly said: readonly ServerSaid[] }

export const isSick = (health: Health): boolean => health === 'unhealthy' || health === 'maintenance'

/** What the file wants of it: its weight, and whether it stays in the table with weight 0 when it fails. */
export type ServerWish = { readonly weight: number; readonly isQuiescent: boolean }

export function serverStep(standing: ServerStanding, event: ServerEvent, wish: ServerWish): ServerStep {
  return event.kind === 'health' ? healthStep(standing, event.to, wish) : weightStep(standing, event.to, wish.weight)
}

/** The table follows a change of health; where it has nothing to follow with, the change itself is what is said. */
function healthStep(standing: ServerStanding, to: Health, { weight: wanted, isQuiescent }: ServerWish): ServerStep {
  const next = { ...standing, health: to }
  if (isSick(to)) {
    const { weight } = standing
    const willFollow = weight === undefined ? isQuiescent : weight > 0 || (wanted === 0 && !isQuiescent)
    return willFollow || standing.isDown ? { standing: next, said: [] } : down(next)
  }
  if (to !== 'healthy' || !isSick(standing.health)) return { standing: next, said: [] }
  return { standing: { ...next, isDown: false }, said: [{ verb: 'Resetting', alert: 'quiet' }] }
}

function weightStep(standing: ServerStanding, to: number | undefined, wanted: number): ServerStep {
  const { weight: from, health } = standing
  if (from === to) return { standing, said: [] }
  const next = { ...standing, weight: to }
  const takesNothing = to === undefined || (to === 0 && wanted > 0)
  if (!takesNothing) {
    const verb = from === undefined ? 'Added' : 'Restored'
    return { standing: { ...next, isDown: false }, said: [{ verb, weight: to, alert: 'up' }] }
  }
  if (isSick(health)) return standing.isDown ? { standing: next, said: [] } : down(next)
  // New and not checked yet, or taken out by hand: nothing is wrong with it.
  const verb = to === undefined ? 'Deleted' : from === undefined ? 'Added' : 'Quiescent'
  return { standing: next, said: [{ verb, ...(to === undefined ? {} : { weight: to }) }] }
}

function down(standing: ServerStanding): ServerStep {
  const said: ServerSaid =
    standing.weight === undefined
      ? { verb: 'Deleted', alert: 'down' }
      : { verb: 'Quiescent', weight: standing.weight, alert: 'down' }
  return { standing: { ...standing, isDown: true }, said: [said] }
}
