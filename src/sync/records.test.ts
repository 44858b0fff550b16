import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { sctpStates, tcpStates } from '../lvs/connection-state.ts'
import type { PortableConnection } from '../lvs/portable-connection.ts'
import { defaultTimeouts } from '../lvs/settings.ts'
import { decodeSync, type SyncRecord, SyncWriter, syncFlags } from '../wire/ipvs-sync.ts'
import { connectionOf, received, recordOf } from './records.ts'

const port = fc.nat({ max: 65_535 })
const seconds = fc.integer({ min: 1, max: 2_678_400 })
const connection: fc.Arbitrary<PortableConnection> = fc.constantFrom('10.0.0.', 'fd00::').chain((network) => {
  const end = fc.record({ address: fc.nat({ max: 9 }).map((host) => `${network}${host + 1}`), port })
  const common = {
    client: end,
    service: end,
    server: end,
    mark: fc.nat({ max: 0xffff_ffff }),
    forwarding: fc.constantFrom('masq', 'local', 'tunnel', 'direct'),
    isInputOnly: fc.boolean(),
    timeoutSeconds: seconds,
  } as const
  const kind = fc.constant('connection' as const)
  return fc.oneof(
    fc.record({ ...common, kind, protocol: fc.constant('tcp' as const), state: fc.constantFrom(...tcpStates) }),
    fc.record({ ...common, kind, protocol: fc.constant('sctp' as const), state: fc.constantFrom(...sctpStates) }),
    fc.record({ ...common, kind, protocol: fc.constant('udp' as const), state: fc.constant('UDP' as const) }),
    fc.record({
      ...common,
      kind: fc.constant('template' as const),
      protocol: fc.constantFrom('ip', 'tcp', 'udp', 'sctp'),
      state: fc.constantFrom('NONE', 'ASSURED'),
      persistenceData: fc.record({ engine: fc.constant('sip' as const), data: fc.stringMatching(/^[a-z0-9@]{1,30}$/) }),
    }),
  )
})

describe('connections for another director', () => {
  test('they come back as they were, over the wire', () => {
    fc.assert(
      fc.property(fc.array(connection, { maxLength: 10 }), (connections) => {
        const writer = new SyncWriter(5, 65_507)
        for (const one of connections) writer.add(recordOf(one))
        const datagram = writer.take()
        const back = datagram === undefined ? [] : received(decodeSync(datagram), defaultTimeouts).connections
        expect(back).toEqual(connections)
      }),
    )
  })

  const plain: PortableConnection = {
    kind: 'connection', protocol: 'tcp', client: { address: '10.1.0.2', port: 40_001 },
    service: { address: '10.50.0.1', port: 80 }, server: { address: '10.9.0.2', port: 8080 }, mark: 0, forwarding: 'direct',
    isInputOnly: true, state: 'FIN_WAIT', timeoutSeconds: 120,
  } // biome-ignore format: one connection

  test('the flags are those that the kernel sends', () => {
    expect(recordOf(plain).flags).toBe(0x183)
    expect(recordOf({ ...plain, state: 'ESTABLISHED' }).flags).toBe(0x83)
    expect(recordOf({ ...plain, forwarding: 'masq', isInputOnly: false, state: 'ESTABLISHED' }).flags).toBe(0)
    expect(recordOf({ ...plain, kind: 'template', forwarding: 'masq', isInputOnly: false, state: 'NONE' }).flags).toBe(
      0x1100,
    )
  })

  test.each<{ name: string; over: Partial<SyncRecord>; why: string }>([
    { name: 'a protocol that nobody knows', over: { protocol: 99 }, why: 'of protocol 99' },
    { name: 'a connection without a protocol', over: { protocol: 0 }, why: 'of protocol 0' },
    { name: 'a state that TCP has not', over: { state: 11 }, why: 'in state 11, which tcp has not' },
    {
      name: 'a template in a third state',
      over: { flags: syncFlags.template, state: 2 },
      why: 'in state 2, which tcp has not',
    },
    { name: 'a way of forwarding that there is not', over: { flags: 5 }, why: 'forwarded in way 5' },
    { name: 'one packet', over: { flags: syncFlags.onePacket }, why: 'of one packet' },
    {
      name: 'a template for any port',
      over: { flags: syncFlags.template | syncFlags.noClientPort },
      why: 'a template without a client’s port',
    },
    {
      name: 'another persistence engine',
      over: { engine: { name: 'x', data: new Uint8Array(1) } },
      why: 'of a persistence engine "x"',
    },
  ])('$name is left aside', ({ over, why }) => {
    expect(connectionOf({ ...recordOf({ ...plain, state: 'NONE' }), ...over }, defaultTimeouts)).toBe(why)
  })

  test('what tells no time has that of its state', () => {
    const record = recordOf(plain)
    expect(connectionOf({ ...record, timeout: 0 }, { ...defaultTimeouts, tcpFin: 77 })).toMatchObject({
      timeoutSeconds: 77,
    })
    const template = { ...record, flags: syncFlags.template, state: 1, timeout: 0 }
    expect(connectionOf(template, defaultTimeouts)).toMatchObject({ timeoutSeconds: 180, state: 'ASSURED' })
  })

  test('what cannot be read is counted apart from what is not taken over', () => {
    const writer = new SyncWriter(5, 1472)
    writer.add(recordOf(plain))
    writer.add({ ...recordOf(plain), protocol: 99 })
    writer.add(recordOf(plain))
    const datagram = writer.take() ?? new Uint8Array()
    expect(received(decodeSync(datagram), defaultTimeouts)).toEqual({
      connections: [plain, plain],
      refused: { malformed: 0, unknown: 1 },
      flaws: ['of protocol 99'],
    })
    // A type of record that nobody knows ends the message.
    expect(received(decodeSync(datagram.with(8 + 36, 7)), defaultTimeouts)).toMatchObject({
      connections: [plain],
      refused: { malformed: 1, unknown: 0 },
    })
    expect(received(decodeSync(new Uint8Array(3)), defaultTimeouts)).toMatchObject({
      connections: [],
      refused: { malformed: 1, unknown: 0 },
    })
  })
})
