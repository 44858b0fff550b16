import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type DiscFile, encodeDisc, findOnDisc, type ReadDisc, sectorBytes } from './iso9660.ts'
import { WireError } from './wire-error.ts'

const readerOf =
  (disc: Uint8Array): ReadDisc =>
  async (offset, length) =>
    disc.subarray(offset, offset + length)

async function contentOf(disc: Uint8Array, path: string): Promise<Uint8Array | undefined> {
  const found = await findOnDisc(readerOf(disc), path)
  return found && disc.slice(found.offset, found.offset + found.size)
}

const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,20}(\.[a-z]{1,4})?$/)
const files: fc.Arbitrary<readonly DiscFile[]> = fc.uniqueArray(
  fc.record({ name, content: fc.uint8Array({ maxLength: 5_000 }) }),
  { maxLength: 8, selector: (file) => file.name },
)

describe('a disc of ISO 9660', () => {
  test('gives back every file that was put on it', async () => {
    await fc.assert(
      fc.asyncProperty(files, async (list) => {
        const disc = encodeDisc('cidata', list)
        expect(disc.length % sectorBytes).toBe(0)
        for (const file of list) expect(await contentOf(disc, `/${file.name}`)).toEqual(file.content)
        expect(await contentOf(disc, 'Not-There')).toBeUndefined()
      }),
      { numRuns: 50 },
    )
  })

  test('bears its label where blkid(8) looks for it', () => {
    const disc = encodeDisc('cidata', [])
    expect(new TextDecoder().decode(disc.subarray(16 * sectorBytes + 40, 16 * sectorBytes + 72)).trimEnd()).toBe(
      'cidata',
    )
  })

  test('no bytes are taken for one that are none, and none crash', async () => {
    await expect(findOnDisc(readerOf(new Uint8Array(64 * 1024)), 'x')).rejects.toThrow(WireError)
    const disc = encodeDisc('x', [{ name: 'user-data', content: new Uint8Array(10) }])
    await fc.assert(
      fc.asyncProperty(fc.nat(disc.length - 1), fc.nat(255), async (at, byte) => {
        const broken = disc.slice()
        broken[at] = byte
        await contentOf(broken, 'user-data').catch((error: unknown) => expect(error).toBeInstanceOf(WireError))
      }),
    )
  })

  test('more names than its directory holds are refused', () => {
    const many = Array.from({ length: 60 }, (_, index) => ({ name: `file-${index}`, content: new Uint8Array(1) }))
    expect(() => encodeDisc('x', many)).toThrow(WireError)
  })
})
