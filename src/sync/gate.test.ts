import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Gate } from './gate.ts'
import { Sealer } from './seal.ts'

const now = 1_700_000_000_000n
const key = Buffer.from('a key of sixteen bytes or more')
const other = Buffer.from('another key of sixteen bytes')
/** Empty, of sync id 7. */
const message = Uint8Array.of(0, 7, 0, 8, 0, 1, 0, 0)
const sealer = (over: { key?: Uint8Array | undefined; syncId?: number } = { key }) =>
  new Sealer({ syncId: 7, key: undefined, sender: 5n, ...over })

describe('what is let in from the group', () => {
  test('a message as the kernel sends it, where there is no key', () => {
    expect(new Gate(7, undefined).admit(message, now)).toEqual({ kind: 'records', message })
    expect(new Gate(0, undefined).admit(message, now)).toEqual({ kind: 'records', message })
  })

  test('a sealed one, where both have the key', () => {
    const sealed = sealer().records(message, now)
    expect(sealed.length).toBeGreaterThan(message.length)
    expect(new Gate(7, key).admit(sealed, now)).toEqual({ kind: 'records', message })
  })

  test('who asks, and who has told all, with a key and without', () => {
    for (const own of [key, undefined])
      for (const kind of ['request', 'complete'] as const)
        expect(new Gate(7, own).admit(sealer({ key: own }).seal(kind, new Uint8Array(), now), now)).toEqual({ kind })
  })

  test.each([
    { name: 'an empty datagram', gate: new Gate(0, undefined), bytes: new Uint8Array(), reason: 'malformed' },
    { name: 'a wrong size', gate: new Gate(0, undefined), bytes: message.with(3, 9), reason: 'malformed' },
    { name: 'another sync id', gate: new Gate(8, undefined), bytes: message, reason: 'sync-id' },
    { name: 'an unsealed message', gate: new Gate(7, key), bytes: message, reason: 'unsealed' },
    {
      name: 'an unsealed request',
      gate: new Gate(7, key),
      bytes: sealer({}).seal('request', new Uint8Array(), now),
      reason: 'unsealed',
    },
    { name: 'a seal of another key', gate: new Gate(7, other), bytes: sealer().records(message, now), reason: 'seal' },
    {
      name: 'a seal, without a key',
      gate: new Gate(7, undefined),
      bytes: sealer().records(message, now),
      reason: 'seal',
    },
    {
      name: 'a sealed message of another sync id',
      gate: new Gate(8, key),
      bytes: sealer().records(message, now),
      reason: 'sync-id',
    },
    {
      name: 'a clock that is far away',
      gate: new Gate(7, key),
      bytes: sealer().records(message, now - 100_000n),
      reason: 'replayed',
    },
    {
      name: 'an envelope of the future',
      gate: new Gate(7, undefined),
      bytes: sealer({}).seal('request', new Uint8Array(), now).with(4, 9),
      reason: 'malformed',
    },
  ])('$name is not', ({ gate, bytes, reason }) => {
    expect(gate.admit(bytes, now)).toEqual({ kind: 'refused', reason })
  })

  test('nothing is let in twice under a seal', () => {
    const gate = new Gate(7, key)
    const sealed = sealer().records(message, now)
    gate.admit(sealed, now)
    expect(gate.admit(sealed, now)).toEqual({ kind: 'refused', reason: 'replayed' })
  })

  test('one changed bit anywhere breaks a seal', () => {
    const sealed = sealer().records(message, now)
    fc.assert(
      fc.property(fc.nat({ max: sealed.length * 8 - 1 }), (bit) => {
        const changed = sealed.with(bit >> 3, (sealed[bit >> 3] ?? 0) ^ (1 << (bit & 7)))
        expect(new Gate(0, key).admit(changed, now).kind).toBe('refused')
      }),
    )
  })

  test('bytes of any kind are refused or let in, and a key lets none of them in', () => {
    const headed = fc
      .tuple(fc.constantFrom(0x42, 0), fc.uint8Array({ maxLength: 120 }))
      .map(([first, rest]) => Uint8Array.from([first, 7, 0, first === 0 ? 4 + rest.length : 0, ...rest]))
    const [open, keyed] = [new Gate(7, undefined), new Gate(7, key)]
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 120 }), headed), (bytes) => {
        expect(['records', 'request', 'complete', 'refused']).toContain(open.admit(bytes, now).kind)
        expect(keyed.admit(bytes, now).kind).toBe('refused')
      }),
      { numRuns: 2000 },
    )
  })
})
