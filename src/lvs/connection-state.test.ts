import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isActiveState, sctpStates, stateTimeoutSeconds, tcpStates } from './connection-state.ts'
import { sctpChunks } from './packet.ts'
import { nextSctpState } from './sctp-states.ts'
import { defaultTimeouts } from './settings.ts'
import { type Direction, nextTcpState } from './tcp-states.ts'

const direction = fc.constantFrom<Direction>('in', 'out', 'in-only')
const flags = fc.record({ syn: fc.boolean(), ack: fc.boolean(), fin: fc.boolean(), rst: fc.boolean() })

describe('connection states', () => {
  test('each lasts its time', () => {
    expect(tcpStates.map((state) => stateTimeoutSeconds('tcp', state, defaultTimeouts))).toEqual([
      2, 900, 120, 60, 120, 120, 10, 60, 30, 120, 120,
    ])
    expect(sctpStates.map((state) => stateTimeoutSeconds('sctp', state, defaultTimeouts))).toEqual([
      2, 4, 61, 61, 61, 61, 61, 61, 900, 61, 61, 61, 4, 61,
    ])
    const set = { tcp: 7200, tcpFin: 30, udp: 60 }
    expect(stateTimeoutSeconds('tcp', 'ESTABLISHED', set)).toBe(7200)
    expect(stateTimeoutSeconds('tcp', 'FIN_WAIT', set)).toBe(30)
    expect(stateTimeoutSeconds('tcp', 'TIME_WAIT', set)).toBe(120)
    expect(stateTimeoutSeconds('udp', 'UDP', set)).toBe(60)
    expect(stateTimeoutSeconds('sctp', 'ESTABLISHED', set)).toBe(900)
  })

  test('TCP counts as active while it begins or carries, SCTP while it carries, UDP never', () => {
    const active = (protocol: 'tcp' | 'sctp', states: typeof tcpStates | typeof sctpStates): string[] =>
      states.filter((state) => isActiveState(protocol, state))
    expect(active('tcp', tcpStates)).toEqual(['ESTABLISHED', 'SYN_SENT', 'SYN_RECV', 'SYNACK'])
    expect(active('sctp', sctpStates)).toEqual(['ESTABLISHED'])
    expect(isActiveState('udp', 'UDP')).toBe(false)
  })

  test.each([
    ['SYN_RECV', { syn: true, ack: true }, 'out', 'SYN_RECV'],
    ['ESTABLISHED', { fin: true, ack: true }, 'in', 'CLOSE_WAIT'],
    ['ESTABLISHED', { fin: true }, 'out', 'FIN_WAIT'],
    ['FIN_WAIT', { fin: true }, 'in', 'TIME_WAIT'],
    ['CLOSE_WAIT', { fin: true }, 'out', 'TIME_WAIT'],
    ['TIME_WAIT', { syn: true }, 'in', 'SYN_RECV'],
    ['ESTABLISHED', { rst: true, syn: true, fin: true }, 'in', 'CLOSE'],
    ['CLOSE', { ack: true }, 'out', 'CLOSE'],
    ['LAST_ACK', { ack: true }, 'in', 'CLOSE'],
  ] as const)('%s after %j %s is %s', (state, bits, way, next) => {
    expect(nextTcpState(state, bits, way, false)).toBe(next)
  })

  test('every state has a next one, whatever comes', () => {
    fc.assert(
      fc.property(fc.constantFrom(...tcpStates), flags, direction, fc.boolean(), (state, bits, way, isSecure) => {
        expect(tcpStates).toContain(nextTcpState(state, bits, way, isSecure))
      }),
    )
    fc.assert(
      fc.property(
        fc.constantFrom(...sctpStates),
        fc.array(fc.constantFrom(...sctpChunks), { maxLength: 3 }),
        direction,
        (state, chunks, way) => {
          expect(sctpStates).toContain(nextSctpState(state, chunks, way))
        },
      ),
    )
  })
})
