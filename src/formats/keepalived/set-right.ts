/** What does not go together in a virtual server: set right as keepalived does it, and said. */
import type { Report } from './finding.ts'
import type { Method, Real, Virtual } from './model.ts'

/** A virtual server as it was written. */
export type Draft = Omit<Virtual, 'protocol' | 'method' | 'scheduler' | 'name'> & {
  readonly group?: string
  readonly protocol?: Virtual['protocol']
  readonly method?: Method
  readonly scheduler?: Virtual['scheduler']
}

/** What a virtual is called in keepalived's messages. */
function nameOf({ places, group, protocol }: Pick<Draft, 'places' | 'group' | 'protocol'>): string {
  const [first] = places
  if (group !== undefined) return `[${group}]:0`
  return first?.kind === 'address'
    ? `[${first.address}]:${protocolName(protocol)}:${first.port}`
    : `FWM ${first?.mark ?? 0}`
}

function protocolName(protocol: Virtual['protocol'] | undefined): string {
  return protocol === undefined ? 'none' : protocol.toLowerCase()
}

/** keepalived's validate_check_config: no virtual, or one in which everything goes together. */
export function setRight(draft: Draft, report: Report): readonly Virtual[] {
  const { places, reals: written } = draft
  const say = (message: string): void => report(5, undefined, message)
  const isMark = places[0]?.kind === 'mark'
  if (written.length === 0) {
    say(`Virtual server ${nameOf(draft)} has no real servers - ignoring`)
    return []
  }
  if (isMark && draft.protocol !== undefined)
    say(`Warning: Virtual server ${nameOf(draft)}: protocol specified for fwmark - protocol will be ignored`)
  if (!isMark && draft.protocol === undefined)
    say(`Virtual server ${nameOf(draft)}: no protocol set - defaulting to UDP`)
  const protocol = draft.protocol ?? 'UDP'
  const name = nameOf({ ...draft, protocol })
  if (draft.onePacket && protocol !== 'UDP' && !isMark)
    say(`Virtual server ${name}: one packet scheduling requires UDP - resetting`)
  const hasPort = places.every((place) => place.kind === 'mark' || place.port !== 0)
  if (!hasPort && draft.persistence === undefined)
    say(`Virtual server ${name}: zero port only valid for persistent services - setting`)
  const persistence = draft.persistence ?? (hasPort ? undefined : { timeoutSeconds: 360 })
  if (draft.scheduler === undefined) say(`Virtual server ${name}: no scheduler set, setting default 'wlc'`)
  if (draft.method === undefined && written.some((real) => real.method === undefined))
    say(`Virtual server ${name}: no forwarding method set, setting default NAT`)
  const method: Method = draft.method ?? { forward: 'NAT' }
  const realName = (real: Pick<Real, 'address' | 'port'>): string =>
    `[${real.address}]:${isMark ? 'none' : protocolName(protocol)}:${real.port}`
  const once = onceEach(written, (real) =>
    say(`VS ${name}: real server ${realName(real)} is duplicated - removing second rs`),
  )
  const limits = quorumOf(draft, name, once, say)
  const own = places[0]?.kind === 'address' ? places[0].port : 0
  const reals = once.map((real) => withPort(real, { method, isMark, own, name, realName, say }))
  return [
    {
      ...draft,
      ...limits,
      name,
      protocol,
      method,
      reals,
      ...(persistence === undefined ? {} : { persistence }),
      onePacket: draft.onePacket && protocol === 'UDP',
      scheduler: draft.scheduler ?? { value: 'wlc', place: draft.place },
    },
  ]
}

function onceEach(reals: readonly Real[], isAgain: (real: Real) => void): readonly Real[] {
  const seen = new Set<string>()
  return reals.filter((real) => {
    const key = `${real.address} ${real.port}`
    if (seen.has(key)) isAgain(real)
    return !seen.has(key) && seen.add(key) !== undefined
  })
}

function quorumOf(draft: Draft, name: string, reals: readonly Real[], say: (message: string) => void) {
  const total = reals.reduce((sum, { weight }) => sum + weight, 0)
  const isHigh = draft.quorum > total
  if (isHigh)
    say(
      `Warning - quorum ${draft.quorum} for ${name} exceeds total weight of real servers ${total}, reducing quorum to ${total}`,
    )
  const quorum = isHigh ? total : draft.quorum
  const isWide = draft.hysteresis >= quorum
  // Without a sign, keepalived's number.
  const less = (quorum - 1) >>> 0
  if (isWide)
    say(`Virtual server ${name}: hysteresis ${draft.hysteresis} >= quorum ${quorum}; setting hysteresis to ${less}`)
  // Servers without a weight are no quorum of nothing: it stands as it was written.
  if (total === 0) return { quorum: draft.quorum, hysteresis: 0 }
  return { quorum, hysteresis: isWide ? less : draft.hysteresis }
}

type Around = {
  readonly method: Method
  readonly isMark: boolean
  readonly own: number
  readonly name: string
  readonly realName: (real: Real) => string
  readonly say: (message: string) => void
}

/** Packets that are not rewritten keep their port. */
function withPort(real: Real, { method, isMark, own, name, realName, say }: Around): Real {
  if ((real.method ?? method).forward === 'NAT') return real.port === 0 && !isMark ? { ...real, port: own } : real
  if (isMark) {
    if (real.port !== 0)
      say(`WARNING - fwmark virtual server ${name}, real server ${realName(real)} has port specified - clearing`)
    return { ...real, port: 0 }
  }
  if (real.port !== own && real.port !== 0)
    say(`WARNING - virtual server ${name} and real server ${realName(real)} ports don't match - resetting`)
  return { ...real, port: own }
}
