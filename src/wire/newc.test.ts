import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type ArchiveEntry, decodeArchive, encodeArchive } from './newc.ts'
import { WireError } from './wire-error.ts'

const pathOf = fc
  .array(fc.stringMatching(/^[\p{L}\p{N}._-]{1,12}$/u), { minLength: 1, maxLength: 4 })
  .map((parts) => parts.join('/'))
  .filter((path) => path !== 'TRAILER!!!')
const mode = fc.integer({ min: 0, max: 0o7777 })
const number = fc.integer({ min: 0, max: 0xffff_ffff })

const entry: fc.Arbitrary<ArchiveEntry> = fc.oneof(
  fc.record({ kind: fc.constant('file' as const), path: pathOf, mode, content: fc.uint8Array({ maxLength: 300 }) }),
  fc.record({ kind: fc.constant('directory' as const), path: pathOf, mode }),
  fc.record({ kind: fc.constant('symlink' as const), path: pathOf, target: pathOf }),
  fc.record({
    kind: fc.constantFrom('character' as const, 'block' as const),
    path: pathOf,
    mode,
    major: number,
    minor: number,
  }),
)

const sample: readonly ArchiveEntry[] = [
  { kind: 'directory', path: 'dev', mode: 0o755 },
  { kind: 'character', path: 'dev/console', mode: 0o600, major: 5, minor: 1 },
  { kind: 'file', path: 'init', mode: 0o755, content: new TextEncoder().encode('#!/bin/sh\n') },
]

function decodeError(bytes: Uint8Array): WireError | undefined {
  try {
    decodeArchive(bytes)
    return undefined
  } catch (error) {
    if (error instanceof WireError) return error
    throw error
  }
}

describe('newc archive', () => {
  test('what is written is read back', () => {
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 8 }), (entries) => {
        expect(decodeArchive(encodeArchive(entries))).toEqual(entries)
      }),
    )
  })

  test('the same entries give the same bytes, in whole words', () => {
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 8 }), (entries) => {
        const bytes = encodeArchive(entries)
        expect(encodeArchive(entries)).toEqual(bytes)
        expect(bytes.length % 4).toBe(0)
      }),
    )
  })

  test('a header is thirteen fields of eight hexadecimal digits after the magic', () => {
    const header = new TextDecoder().decode(encodeArchive(sample).subarray(0, 110 + 4))
    expect(header).toBe(
      // magic ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize check name
      '070701' +
        '00000001' +
        '000041ed' +
        '00000000'.repeat(2) +
        '00000001' +
        '00000000'.repeat(6) +
        '00000004' +
        '00000000' +
        'dev\0',
    )
  })

  test('a cut archive is refused wherever it is cut', () => {
    const bytes = encodeArchive(sample)
    const trailerBytes = 110 + 'TRAILER!!!\0'.length
    const end = bytes.length - (bytes.length % 4)
    for (let length = 0; length < end - trailerBytes - 3; length += 1)
      expect(decodeError(bytes.subarray(0, length)), `cut at ${length}`).toBeInstanceOf(WireError)
  })

  test('random bytes are refused, never more', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => decodeError(bytes) !== undefined))
  })

  test('one changed byte is refused or read, never more', () => {
    const bytes = encodeArchive(sample)
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 0, max: 255 }), (at, value) => {
        const changed = bytes.slice()
        changed[at] = value
        decodeError(changed)
      }),
    )
  })

  test('an error says where', () => {
    const bytes = encodeArchive(sample)
    const second = 116 // 110 of the header, 4 of the name `dev`, 2 of padding
    bytes[second] = 0x58
    expect(decodeError(bytes)?.offset).toBe(second)
  })
})
