/** Defence against floods: drop_entry, drop_packet and secure_tcp (ip_vs_ctl.c, update_defense_level; ip_vs_conn.c). Pure. */
import type { ConnectionState } from './connection-state.ts'
import type { Protocol } from './service.ts'
import type { Sysctls } from './settings.ts'

type Modes = Pick<Sysctls, 'drop_entry' | 'drop_packet' | 'secure_tcp'>

export type DefenseLevel = {
  readonly dropsEntries: boolean
  /** Of the packets that would be scheduled every so many is dropped, the first at once; 0: none. */
  readonly dropRate: number
  readonly securesTcp: boolean
  /** The kernel turns modes 1 (off for now) and 2 (on for now) into each other. */
  readonly modes: Modes
}

/** How often the level is found anew; also when one of the modes is set. */
export const defenseMs = 1000

/** `availablePages`: memory that is free or holds buffers only. */
export function defenseLevel(
  sysctls: Modes & Pick<Sysctls, 'amemthresh' | 'am_droprate'>,
  availablePages: number,
): DefenseLevel {
  const isShort = availablePages < sysctls.amemthresh
  const turned = (mode: number): number => (mode === 1 || mode === 2 ? (isShort ? 2 : 1) : mode)
  const drop_packet = turned(sysctls.drop_packet)
  const automaticRate = isShort ? Math.floor(sysctls.amemthresh / (sysctls.amemthresh - availablePages)) : 0
  const drop_entry = turned(sysctls.drop_entry)
  const secure_tcp = turned(sysctls.secure_tcp)
  return {
    dropsEntries: drop_entry >= 2,
    dropRate: drop_packet === 3 ? sysctls.am_droprate : drop_packet === 2 ? automaticRate : 0,
    securesTcp: secure_tcp >= 2,
    modes: { drop_entry, drop_packet, secure_tcp },
  }
}

export type DropCandidate = {
  readonly protocol: Protocol | 'ip'
  readonly isTemplate: boolean
  readonly state: ConnectionState
  /** Of a service with one-packet scheduling. */
  readonly isOnePacket: boolean
  /** Connections under it. */
  readonly controls: number
  readonly idleMs: number
  /** From the client. */
  readonly packets: number
}

/**
 * What drop_entry does to an entry that its scan meets, each second a 32nd of the table's rows at random. `counters`:
 * for each number of packets 0..8, how many more idle entries are let go by; to be kept between calls.
 */
export function isEntryDropped(entry: DropCandidate, counters: number[]): boolean {
  if (entry.controls > 0) return false
  if (entry.isTemplate) return entry.isOnePacket ? isIdleDropped(entry, counters) : entry.state !== 'ASSURED'
  const { protocol, state } = entry
  if (protocol !== 'tcp' && protocol !== 'sctp') return isIdleDropped(entry, counters)
  if (state === 'ESTABLISHED') return isIdleDropped(entry, counters)
  const begun = protocol === 'tcp' ? ['SYN_RECV', 'SYNACK'] : ['INIT1', 'INIT']
  return begun.includes(state)
}

/** Idle for a minute, after few packets: of those with n packets every n-th. */
function isIdleDropped({ idleMs, packets }: DropCandidate, counters: number[]): boolean {
  if (idleMs < 60_000 || packets < 1 || packets > 8) return false
  const left = (counters[packets] ?? 0) - 1
  counters[packets] = left > 0 ? left : packets
  return left <= 0
}
