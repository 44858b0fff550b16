import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { checksumIn, formatChecksum, parseChecksum } from './checksum.ts'

const a = 'a'.repeat(64)
const b = 'B'.repeat(128)

describe('checksums', () => {
  test.each([
    [`sha256:${a}`, { algorithm: 'sha256', hex: a }],
    [a, { algorithm: 'sha256', hex: a }],
    [`SHA512:${b}`, { algorithm: 'sha512', hex: b.toLowerCase() }],
    [b, { algorithm: 'sha512', hex: b.toLowerCase() }],
    [`sha512:${a}`, undefined],
    [`md5:${'a'.repeat(32)}`, undefined],
    [`${a.slice(1)}g`, undefined],
    ['', undefined],
  ])('%s', (text, read) => {
    expect(parseChecksum(text)).toEqual(read)
  })

  test('what is written is read again', () => {
    const hex = (length: number) => fc.stringMatching(new RegExp(`^[0-9a-f]{${length}}$`))
    fc.assert(
      fc.property(fc.oneof(hex(64), hex(128)), (digits) => {
        const checksum = parseChecksum(digits)
        expect(checksum === undefined ? undefined : parseChecksum(formatChecksum(checksum))).toEqual(checksum)
        expect(checksum?.hex).toBe(digits)
      }),
    )
  })

  test.each([
    ['GNU, as text', `${'1'.repeat(64)}  other.qcow2\n${a}  disk.qcow2\n`, 'sha256'],
    ['GNU, as binary', `${a} *disk.qcow2\r\n`, 'sha256'],
    ['GNU, below a directory', `${a}  ./images/disk.qcow2`, 'sha256'],
    ['BSD', `# disk.qcow2: 5 bytes\nSHA256 (disk.qcow2) = ${a}\n`, 'sha256'],
    ['both', `${a}  disk.qcow2\n${b}  disk.qcow2\n`, 'sha512'],
    ['of another file only', `${a}  disk.qcow2.torrent\n${a}  my-disk.qcow2\n`, undefined],
    ['something else', '<html>disk.qcow2</html>', undefined],
  ])('a list: %s', (_name, list, algorithm) => {
    expect(checksumIn(list, 'disk.qcow2')?.algorithm).toBe(algorithm)
  })
})
