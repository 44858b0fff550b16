import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { router } from '../../../test/build/vrrp.ts'
import { encodeVrrp, type VrrpPacket } from '../../wire/vrrp.ts'
import type { RouterConfig } from './config.ts'
import { type Diagnoses, describeFinding, note, standing, withoutOld } from './diagnosis.ts'
import { type Arrival, receive } from './receive.ts'

const group = '224.0.0.18'
const peer = '10.0.0.2'

type Sent = { readonly packet?: Partial<VrrpPacket>; readonly arrival?: Partial<Arrival>; readonly spoil?: number }

function arrive(config: RouterConfig, { packet, arrival, spoil }: Sent = {}): Arrival {
  const { version, id, intervalMs, addresses } = config
  const authentication = { kind: 'none' as const }
  const usual = { version, id, priority: 150, intervalMs, addresses, authentication }
  const [source, destination] = [arrival?.source ?? peer, arrival?.destination ?? group]
  const payload = encodeVrrp({ ...usual, ...packet }, source, destination)
  if (spoil !== undefined) payload[spoil] = (payload[spoil] ?? 0) ^ 1
  return { path: 0, source, destination, hops: 255, own: '10.0.0.1', payload, ...arrival }
}

const unicast: RouterConfig['paths'] = [{ interface: 'eth0', to: { kind: 'unicast', peers: [peer] } }]
const two = ['10.0.0.100', '10.0.0.101']

type Case = { name: string; config?: Partial<RouterConfig>; sent?: Sent; refusal: object | undefined }
const cases: readonly Case[] = [
  { name: 'as it should be', refusal: undefined },
  { name: 'over a router', sent: { arrival: { hops: 254 } }, refusal: { kind: 'hops', hops: 254 } },
  { name: 'peers may be further away', config: { paths: unicast }, sent: { arrival: { hops: 60, destination: '10.0.0.1' } }, refusal: undefined },
  { name: 'from none of the peers', config: { paths: unicast }, sent: { arrival: { source: '10.0.0.3', destination: '10.0.0.1' } }, refusal: { kind: 'stranger' } },
  { name: 'multicast where peers are meant', config: { paths: unicast }, refusal: { kind: 'destination', destination: group } },
  { name: 'unicast where multicast is meant', sent: { arrival: { destination: '10.0.0.1' } }, refusal: { kind: 'destination', destination: '10.0.0.1' } },
  { name: 'of the other version', sent: { packet: { version: 2 } }, refusal: { kind: 'version', version: 2 } },
  { name: 'with another type', sent: { spoil: 0 }, refusal: { kind: 'malformed' } },
  { name: 'cut off', sent: { arrival: { payload: new Uint8Array([0x31, 51, 100]) } }, refusal: { kind: 'malformed' } },
  { name: 'spoilt on the way', sent: { spoil: 2 }, refusal: { kind: 'checksum' } },
  { name: 'from our own address', sent: { arrival: { source: '10.0.0.1' } }, refusal: { kind: 'own-address' } },
  { name: 'version 2 with another interval', config: { version: 2 }, sent: { packet: { intervalMs: 2000 } }, refusal: { kind: 'interval', intervalMs: 2000 } },
  { name: 'version 3 with another interval', sent: { packet: { intervalMs: 2000 } }, refusal: undefined },
  { name: 'with a password that is not wanted', config: { version: 2 }, sent: { packet: { authentication: { kind: 'password', password: 'x' } } }, refusal: { kind: 'authentication', theirs: 'a password' } },
  { name: 'without a password that is wanted', config: { version: 2, password: 'x' }, refusal: { kind: 'authentication', theirs: 'no authentication' } },
  { name: 'with another password', config: { version: 2, password: 'secret' }, sent: { packet: { authentication: { kind: 'password', password: 'Secret' } } }, refusal: { kind: 'password' } },
  { name: 'with a password that begins like it', config: { version: 2, password: 'secret' }, sent: { packet: { authentication: { kind: 'password', password: 'secretX' } } }, refusal: { kind: 'password' } },
  { name: 'with the password', config: { version: 2, password: 'secret' }, sent: { packet: { authentication: { kind: 'password', password: 'secret' } } }, refusal: undefined },
  { name: 'with AH named', config: { version: 2 }, sent: { packet: { authentication: { kind: 'other', number: 2 } } }, refusal: { kind: 'authentication', theirs: 'an authentication header (AH)' } },
  { name: 'with an address less', config: { addresses: two }, sent: { packet: { addresses: two.slice(1) } }, refusal: { kind: 'addresses', missing: ['10.0.0.100'], extra: [] } },
  { name: 'with the addresses in another order', config: { addresses: two }, sent: { packet: { addresses: two.toReversed() } }, refusal: undefined },
  { name: 'with other addresses where that does not matter', config: { checksAddresses: false }, sent: { packet: { addresses: ['10.0.0.7'] } }, refusal: undefined },
  { name: 'version 3 without addresses', sent: { packet: { addresses: [] } }, refusal: { kind: 'no-addresses' } },
] // biome-ignore format: a table

describe('which advertisements count', () => {
  test.each(cases)('$name', ({ config, sent, refusal }) => {
    const own = router(config)
    const received = receive(own, arrive(own, sent))
    if (refusal === undefined) expect(received).toMatchObject({ kind: 'accepted' })
    else expect(received).toMatchObject({ kind: 'refused', refusal })
  })

  test('version 3 whose interval is 0', () => {
    const payload = new Uint8Array([0x31, 51, 100, 1, 0, 0, 0, 0, 10, 0, 0, 100])
    const usual = router()
    // The plain sum of the words above, complemented.
    new DataView(payload.buffer).setUint16(6, 0xffff - (0x3133 + 0x6401 + 0x0a00 + 0x0064))
    expect(receive(usual, { ...arrive(usual), payload })).toEqual({
      kind: 'refused',
      refusal: { kind: 'interval', intervalMs: 0 },
    })
  })

  test('both readings of the checksum are heard', () => {
    const usual = router()
    const { addresses } = usual
    const packet: VrrpPacket = { version: 3, id: 51, priority: 150, intervalMs: 1000, addresses }
    for (const reading of ['rfc5798', 'rfc9568'] as const) {
      const payload = encodeVrrp(packet, peer, group, reading)
      expect(receive(usual, { ...arrive(usual), payload })).toMatchObject({ kind: 'accepted', reading })
    }
  })

  test('whatever comes is taken or refused, and nobody falls over', () => {
    const any = fc.record({
      version: fc.constantFrom(2 as const, 3 as const),
      payload: fc.uint8Array({ maxLength: 80 }),
      hops: fc.integer({ min: 0, max: 255 }),
    })
    fc.assert(
      fc.property(any, ({ version, ...arrival }) => {
        const own = router({ version })
        const received = receive(own, { ...arrive(own), ...arrival })
        if (received.kind === 'refused')
          expect(
            describeFinding(own, 'backup', {
              kind: 'refused',
              from: peer,
              interface: 'eth0',
              refusal: received.refusal,
            }),
          ).toContain(peer)
      }),
      { numRuns: 3000 },
    )
  })

  test('one that was changed anywhere on the way never counts as something else', () => {
    const own = router({ checksAddresses: false })
    fc.assert(
      fc.property(fc.nat(11), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const arrival = arrive(own)
        const { payload } = arrival
        payload[at] = (payload[at] ?? 0) ^ change
        expect(receive(own, arrival).kind).toBe('refused')
      }),
    )
  })
})

describe('what an operator is told', () => {
  const say = (config: Partial<RouterConfig>, sent: Sent): string => {
    const own = router(config)
    const received = receive(own, arrive(own, sent))
    if (received.kind !== 'refused') throw new Error('it was accepted')
    return describeFinding(own, 'master', { kind: 'refused', from: peer, interface: 'eth0', refusal: received.refusal })
  }

  test('lists of addresses that differ', () => {
    expect(say({ addresses: two }, { packet: { addresses: ['10.0.0.101', '10.0.0.102'] } })).toBe(
      '10.0.0.2 on eth0 advertises other addresses for virtual router 51 (edge) than this machine: without 10.0.0.100 and with 10.0.0.102; give both the same list; both are master until that is put right',
    )
  })

  test('an id that another virtual router has', () => {
    expect(say({ addresses: two }, { packet: { addresses: ['10.0.0.7'] } })).toMatch(
      /^virtual router 51 \(edge\) is taken: 10\.0\.0\.2 on eth0 uses it for 10\.0\.0\.7; give one of the two another id/,
    )
  })

  test('another version', () => {
    expect(say({}, { packet: { version: 2 } })).toContain(
      'speaks VRRP version 2 for virtual router 51 (edge), this machine version 3',
    )
  })

  test('a split brain is one when the other master does not stop, and is over when it does', () => {
    const finding = { kind: 'split-brain', from: peer, interface: 'eth0', priority: 50 } as const
    let diagnoses: Diagnoses = new Map()
    const told: number[] = []
    for (let time = 0; time < 40; time++) {
      const noted = note(diagnoses, finding, time * 1000)
      diagnoses = noted.diagnoses
      if (noted.news !== undefined) told.push(noted.news.count)
      expect(standing(diagnoses)).toHaveLength(time < 3 ? 0 : 1)
    }
    expect(told).toEqual([4, 13])
    expect(describeFinding(router(), 'master', finding)).toMatch(/^split brain: 10\.0\.0\.2 on eth0 is master/)
    expect(withoutOld(diagnoses, 41_000, 5000).size).toBe(1)
    expect(withoutOld(diagnoses, 50_000, 5000).size).toBe(0)
  })

  test('made-up sources fill no memory', () => {
    let diagnoses: Diagnoses = new Map()
    for (let at = 0; at < 1000; at++)
      diagnoses = note(
        diagnoses,
        { kind: 'split-brain', from: `10.0.${at >> 8}.${at & 255}`, interface: 'eth0', priority: 1 },
        at,
      ).diagnoses
    expect(diagnoses.size).toBe(64)
  })
})
