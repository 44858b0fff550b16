import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeBtf, elfSection } from './btf.ts'
import { WireError } from './wire-error.ts'

/** `struct pair { int first; long second }` and `enum colour { RED = -1, BLUE = 7 }`, as a compiler would write them. */
function sample(): Uint8Array {
  const names = ['', 'int', 'pair', 'first', 'second', 'colour', 'RED', 'BLUE']
  const at = (name: string): number => names.slice(0, names.indexOf(name)).join('\0').length + 1
  const types = [
    [at('int'), 1 << 24, 4, 32],
    [at('pair'), (4 << 24) | 2, 16, at('first'), 1, 0, at('second'), 1, 64],
    [at('colour'), (6 << 24) | 2, 4, at('RED'), -1, at('BLUE'), 7],
  ].flat()
  const strings = new TextEncoder().encode(`${names.join('\0')}\0`)
  const bytes = new Uint8Array(24 + 4 * types.length + strings.length)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, 0x0001_eb9f, true)
  for (const [index, word] of [24, 0, 4 * types.length, 4 * types.length, strings.length].entries())
    view.setUint32(4 + 4 * index, word, true)
  for (const [index, word] of types.entries()) view.setInt32(24 + 4 * index, word, true)
  bytes.set(strings, 24 + 4 * types.length)
  return bytes
}

describe('BPF type information', () => {
  test('structures have a size and offsets; other types are passed over', () => {
    const structs = decodeBtf(sample())
    expect(structs.get('pair')).toEqual({
      bytes: 16,
      members: new Map([
        ['first', 0],
        ['second', 8],
      ]),
    })
    expect(structs.size).toBe(1)
  })

  test('cut off anywhere, or changed anywhere, it is refused or read, and never breaks', () => {
    const whole = sample()
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.nat(255), fc.boolean(), (at, byte, isCut) => {
        const bytes = isCut ? whole.slice(0, at) : whole.slice()
        if (!isCut) bytes[at] = byte
        try {
          decodeBtf(bytes)
        } catch (error) {
          if (!(error instanceof WireError)) throw error
        }
      }),
    )
  })

  test('what is no ELF file has no sections', () => {
    expect(() => elfSection(new Uint8Array(100), '.BTF')).toThrow(WireError)
  })
})
