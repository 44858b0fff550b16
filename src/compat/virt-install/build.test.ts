import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseXml, valueAt } from '../../formats/domain-xml/document.ts'
import { type Built, buildDomains, type HostFacts } from './build.ts'
import { readOptions } from './options.ts'
import { Refusal } from './refusal.ts'
import { splitWords } from './words.ts'

const host: HostFacts = {
  virtType: 'qemu',
  emulator: '/usr/bin/qemu-system-x86_64',
  pc: 'pc-i440fx-7.2',
  poolDirectory: () => '/srv/pool',
  names: new Set(['taken']),
}
const plain = ['--name', 'a', '--memory', '512', '--osinfo', 'generic', '--import']
const build = (...words: readonly string[]): Built => buildDomains(readOptions([...plain, ...words]), host)

describe('a command line of virt-install', () => {
  test('a bare number is a size, and that is said', () => {
    const { final, disks, notes } = build('--disk=8')
    expect(valueAt(parseXml(final), './devices/disk/source/@file')).toBe('/srv/pool/a.qcow2')
    expect(disks).toMatchObject([{ path: '/srv/pool/a.qcow2', sizeBytes: 8 * 1024 ** 3, format: 'qcow2' }])
    expect(notes).toEqual([expect.stringContaining('taken as size=8')])
  })

  test.each([
    { words: ['--dsik', 'size=8'], says: 'did you mean --disk?', code: 2 },
    { words: ['--name'], says: 'argument --name: expected one argument', code: 2 },
    { words: ['--disk', 'size=8,formt=raw'], says: "Unknown --disk options: ['formt']; did you mean format?", code: 1 },
    { words: ['--disk', 'none', '--network', 'bridge=br0,modle=virtio'], says: 'did you mean model?', code: 1 },
    { words: ['--disk', '/none/there.qcow2'], says: 'Size must be specified for non existent volume', code: 1 },
    { words: ['--disk', 'none', '--name', 'taken'], says: "Guest name 'taken' is already in use", code: 1 },
    { words: ['--disk', 'none', '--network', 'user,mac=xx'], says: 'MAC address must be of the format', code: 1 },
    { words: ['--disk', 'none', '--features', 'acpi=perhaps'], says: "acpi must be 'yes' or 'no'", code: 1 },
    { words: ['--disk', 'bus=virtio'], says: 'needs a path, or a size', code: 1 },
    { words: ['--disk', 'none', '--vcpus', 'two'], says: 'vcpus must be a whole number', code: 1 },
    { words: ['--disk', 'none', '--graphics', 'vnc,port=80'], says: 'a port is 5900 or more', code: 1 },
    { words: ['--disk', 'none', '--vnc', '--nographics'], says: 'more than one of VNC', code: 1 },
    { words: [], says: '--disk storage must be specified', code: 1 },
  ])('$words is refused: $says', ({ words, says, code }) => {
    expect(() => build(...words)).toThrow(
      expect.objectContaining({ message: expect.stringContaining(says), code }) as Refusal,
    )
  })

  test('words of any kind give a domain or a Refusal, never anything else', () => {
    const word = fc.constantFrom(
      '--disk',
      'none',
      'size=1',
      '--cpu',
      '+vmx',
      'host',
      '--vcpus',
      '2,sockets=2',
      ',',
      '=',
      '--graphics',
      'vnc,port=1',
    )
    fc.assert(
      fc.property(fc.array(word, { maxLength: 8 }), (words) => {
        try {
          build('--disk', 'none', ...words)
        } catch (error) {
          expect(error).toBeInstanceOf(Refusal)
        }
      }),
      { numRuns: 50 },
    )
  })

  test('commas in a value are quoted or doubled', () => {
    expect(splitWords('path="a,b",size=8,x=1,,2')).toEqual([
      { name: 'path', value: 'a,b' },
      { name: 'size', value: '8' },
      { name: 'x', value: '1,2' },
    ])
    expect(() => splitWords('path="a')).toThrow(Refusal)
  })
})
