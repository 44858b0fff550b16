/** Timeouts, sysctls and limits as the program reads them: what the rules of src/lvs say becomes tables. */
import { isActiveState, stateTimeoutSeconds, type TcpState, tcpStates } from '../../lvs/connection-state.ts'
import type { DefenseLevel } from '../../lvs/defense.ts'
import { isReuse } from '../../lvs/new-connection.ts'
import type { TcpFlags } from '../../lvs/packet.ts'
import { defaultSettings, type Settings, sysctlNames } from '../../lvs/settings.ts'
import { type Direction, nextTcpState } from '../../lvs/tcp-states.ts'
import { directions, events, layouts, statesPerRow } from './layout.ts'

/** Those that the program counts by. */
export type Limits = Readonly<Record<'connections' | 'half-open' | 'templates', number>>

/** What else the program is to know. */
export type Surroundings = {
  /** What kinds of services there are beside those of one address and port. */
  readonly lookups: number
  /** What drop_packet and secure_tcp mean now. */
  readonly level: Pick<DefenseLevel, 'dropRate' | 'securesTcp'>
}

const nanoseconds = 1_000_000_000n
/** How long a half-open connection stands while more than half of their share is taken. */
const hurriedSeconds = 3n

const halfOpenStates: readonly TcpState[] = ['SYN_SENT', 'SYN_RECV', 'SYNACK']
/** As they are; what the others say goes into tables, or is done on this side. */
const readByProgram = ['expire_nodest_conn', 'expire_quiescent_template', 'sloppy_tcp', 'schedule_icmp', 'pmtu_disc', 'lblcr_expiration'] as const // biome-ignore format: a list to read at a glance

const directionNames: readonly (readonly [Direction, number])[] = [
  ['in', directions.DIRECTION_IN],
  ['out', directions.DIRECTION_OUT],
  ['in-only', directions.DIRECTION_INPUT_ONLY],
]
const eventFlags: readonly (readonly [TcpFlags, number])[] = [
  [{ rst: true }, events.EVENT_RST],
  [{ syn: true }, events.EVENT_SYN],
  [{ fin: true }, events.EVENT_FIN],
  [{ ack: true }, events.EVENT_ACK],
  [{}, events.EVENT_NONE],
]

export function encodeSettings(
  { timeouts, sysctls }: Settings,
  limits: Limits,
  { lookups, level }: Surroundings,
): Buffer {
  const { bytes, at } = layouts.settings
  const target = Buffer.alloc(bytes)
  const states = (holds: (state: TcpState) => boolean): number =>
    tcpStates.reduce((bits, state, code) => (holds(state) ? bits | (1 << code) : bits), 0)
  const reuse = (isInputOnly: boolean) => (state: TcpState) =>
    isReuse(sysctls.conn_reuse_mode, { protocol: 'tcp', state, isControlled: false, isInputOnly })
  for (const [code, state] of tcpStates.entries()) {
    const seconds = stateTimeoutSeconds('tcp', state, timeouts)
    target.writeBigUInt64LE(BigInt(seconds) * nanoseconds, at.tcp_timeouts + 8 * code)
  }
  target.writeBigUInt64LE(BigInt(timeouts.udp) * nanoseconds, at.udp_timeout)
  target.writeBigUInt64LE(hurriedSeconds * nanoseconds, at.hurried_timeout)
  target.writeUInt32LE(limits.connections, at.most_connections)
  target.writeUInt32LE(limits['half-open'], at.most_half_open)
  target.writeUInt16LE(
    states((state) => isActiveState('tcp', state)),
    at.active_states,
  )
  target.writeUInt16LE(
    states((state) => halfOpenStates.includes(state)),
    at.half_open_states,
  )
  target.writeUInt16LE(states(reuse(false)), at.reuse_states)
  target.writeUInt16LE(states(reuse(true)), at.reuse_input_only_states)
  target.writeUInt32LE(limits.templates, at.most_templates)
  target.writeUInt32LE(lookups, at.lookups)
  target.writeUInt32LE(level.dropRate, at.drop_rate)
  for (const name of readByProgram) target.writeInt32LE(sysctls[name], at[name])
  for (const [index, name] of sysctlNames.entries()) target.writeInt32LE(sysctls[name], at.sysctls + 4 * index)
  const rowOf = (direction: number, event: number): number =>
    at.next_states + (direction * eventFlags.length + event) * statesPerRow
  for (const [direction, directionNumber] of directionNames)
    for (const [flags, event] of eventFlags)
      for (const [code, state] of tcpStates.entries())
        target[rowOf(directionNumber, event) + code] = tcpStates.indexOf(
          nextTcpState(state, flags, direction, level.securesTcp),
        )
  return target
}

/** What stands in the program; undefined when it was never told. */
export function decodeSettings(bytes: Buffer): Settings | undefined {
  const { at } = layouts.settings
  const seconds = (offset: number): number => Number(bytes.readBigUInt64LE(offset) / nanoseconds)
  const ofState = (state: TcpState): number => seconds(at.tcp_timeouts + 8 * tcpStates.indexOf(state))
  if (ofState('ESTABLISHED') === 0) return undefined
  return {
    timeouts: { tcp: ofState('ESTABLISHED'), tcpFin: ofState('FIN_WAIT'), udp: seconds(at.udp_timeout) },
    sysctls: {
      ...defaultSettings.sysctls,
      ...Object.fromEntries(sysctlNames.map((name, index) => [name, bytes.readInt32LE(at.sysctls + 4 * index)])),
    },
  }
}
