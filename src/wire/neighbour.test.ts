import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeNeighbour, neighbourMessages } from './neighbour.ts'
import { encodeAttributes } from './netlink.ts'
import { WireError } from './wire-error.ts'

const mac = Uint8Array.of(2, 0, 0, 0, 0, 0x1f)

function message(over: { type?: number; family?: number; state?: number; hardware?: Uint8Array } = {}) {
  const { type = neighbourMessages.added, family = 2, state = 0x04, hardware = mac } = over
  const head = Uint8Array.of(family, 0, 0, 0, 7, 1, 0, 0, state, 0, 0, 1)
  const attributes = encodeAttributes([
    [1, Uint8Array.of(10, 0, 0, 2)],
    [2, hardware],
  ])
  return { type, flags: 0, sequence: 0, port: 0, payload: Uint8Array.from([...head, ...attributes]) }
}

describe('news of neighbours', () => {
  test.each([
    { name: 'one that is known', over: {}, hardware: '02000000001f' },
    { name: 'one that has just been heard of', over: { state: 0x02 }, hardware: '02000000001f' },
    { name: 'one that stands for ever', over: { state: 0x80 }, hardware: '02000000001f' },
    { name: 'one that does not answer', over: { state: 0x20 }, hardware: undefined },
    { name: 'one that is being asked', over: { state: 0x01 }, hardware: undefined },
    { name: 'one that was taken away', over: { type: neighbourMessages.removed }, hardware: undefined },
  ])('$name', ({ over, hardware }) => {
    expect(decodeNeighbour(message(over))).toEqual({ key: '263 0a000002', hardware })
  })

  test('nothing of a bridge’s entries, nor of other messages', () => {
    expect(decodeNeighbour(message({ family: 7 }))).toBeUndefined()
    expect(decodeNeighbour(message({ type: 24 }))).toBeUndefined()
  })

  test('bytes of any kind are news, nothing, or refused by name', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (payload) => {
        try {
          decodeNeighbour({ ...message(), payload })
        } catch (error) {
          expect(error).toBeInstanceOf(WireError)
        }
      }),
    )
  })
})
