import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { tokens } from './lexer.ts'
import { parseXlCfg, type XlValue } from './parse.ts'
import { printSetting, withoutSetting, withSetting } from './print.ts'
import { listSetting, numberSetting, settingsOf, textSetting } from './settings.ts'

const key = fc.stringMatching(/^[a-z_][a-z0-9_.]{0,12}$/)
const scalar = fc.oneof(
  fc.string({ unit: fc.constantFrom('a', 'é', '"', "'", '\\', '\n', '\t', ' ', '#', ';', '€') }),
  fc.nat(),
)
const value: fc.Arbitrary<XlValue> = fc.letrec<{ value: XlValue }>((tie) => ({
  value: fc.oneof({ depthSize: 'small' }, scalar, fc.array(tie('value'), { maxLength: 4 })),
})).value

const settings = (text: string): Record<string, XlValue> => {
  const { assignments, problems } = parseXlCfg(text)
  expect(problems).toEqual([])
  return Object.fromEntries(settingsOf(assignments).settings)
}

describe('xl.cfg', () => {
  test('what xen-create-image writes is read', () => {
    const text = `#
# Configuration file for the Xen instance lpic, created
# by xen-tools 4.9.2 on Mon Nov 23 05:21:15 2026.
#

bootloader = 'pygrub'

vcpus       = '1'
memory      = '256'
maxmem      = '256'

root        = '/dev/xvda2 ro'
disk        = [
                  'phy:/dev/ubuntu-vg/lpic-disk,xvda2,w',
                  'phy:/dev/ubuntu-vg/lpic-swap,xvda1,w',  # swap
              ]

name        = 'lpic'
dhcp        = 'dhcp'
vif         = [ 'mac=00:16:3E:AA:BB:CC' ]
on_poweroff = 'destroy'; on_reboot = 'restart'`
    const { assignments } = parseXlCfg(text)
    const found = settingsOf(assignments).settings
    expect(numberSetting(found, 'memory')).toBe(256)
    expect(textSetting(found, 'on_reboot')).toBe('restart')
    expect(listSetting(found, 'disk')).toEqual([
      'phy:/dev/ubuntu-vg/lpic-disk,xvda2,w',
      'phy:/dev/ubuntu-vg/lpic-swap,xvda1,w',
    ])
    expect(assignments.at(-1)?.place).toMatchObject({ line: 21, column: 26 })
  })

  test.each([
    { name: 'octal', text: 'memory=010', found: { memory: 8 } },
    { name: 'hexadecimal', text: 'memory=0x10', found: { memory: 16 } },
    { name: 'a quote inside of the others', text: `extra='a="b"'`, found: { extra: 'a="b"' } },
    { name: 'escapes', text: String.raw`extra="a\"b\n\\"`, found: { extra: 'a"b\n\\' } },
    { name: 'a later assignment', text: 'vcpus=1\nvcpus=2', found: { vcpus: 2 } },
    { name: 'text added to text', text: `extra="a"\nextra+=" b"`, found: { extra: 'a b' } },
    { name: 'a list added to nothing', text: 'vif += ["", ]', found: { vif: [''] } },
    {
      name: 'lists in lists',
      text: 'vnuma=[ ["pnode=0","size=1"],\n# no\n["pnode=1"], ]',
      found: { vnuma: [['pnode=0', 'size=1'], ['pnode=1']] },
    },
    { name: 'a comment that holds a list’s end', text: 'disk=[ # ]\n"a" ]', found: { disk: ['a'] } },
    { name: 'nothing', text: '\n\n ;; \n# only this', found: {} },
  ])('$name', ({ text, found }) => {
    expect(settings(text)).toEqual(found)
  })

  test.each([
    { text: 'name = lpic', line: 1, column: 8, message: 'expected a value, not lpic' },
    { text: 'memory = 256\nName = "x"', line: 2, column: 1, message: '"Name" is none of its words' },
    { text: 'memory = -1', line: 1, column: 10, message: '"-1" is none of its words' },
    { text: 'memory = 09', line: 1, column: 10, message: '09 is no number' },
    { text: 'name "x"', line: 1, column: 6, message: 'expected = or += after name, not "x"' },
    {
      text: 'name = "x" "y"',
      line: 1,
      column: 12,
      message: 'expected the end of the line or ; after the value of name, not "y"',
    },
    { text: 'name = "x', line: 1, column: 8, message: 'a string that does not end on its line' },
    { text: String.raw`name = "\x41"`, line: 1, column: 8, message: String.raw`\x is no escape that xl knows` },
    { text: 'disk = [ "a" "b" ]', line: 1, column: 14, message: 'expected , or ] in the list, not "b"' },
    { text: 'disk = [ , ]', line: 1, column: 10, message: 'expected a string in quotes, a number or a list, not ,' },
    {
      text: 'disk = [ "a",\n',
      line: 3,
      column: 1,
      message: 'expected ] for the list that begins in line 1, not last',
    },
    {
      text: 'name =\nmemory = 1',
      line: 1,
      column: 7,
      message: 'expected a string in quotes, a number or a list, not the end of the line',
    },
    { text: 'memory = 1\r\n', line: 1, column: 11, message: 'a carriage return' },
    {
      text: 'a=['.padEnd(40, '['),
      line: 1,
      column: 35,
      message: 'expected lists in no more than 32 others, not [',
    },
  ])('$text is refused at its place, and only there', ({ text, line, column, message }) => {
    const { problems } = parseXlCfg(`${text}\nlast = 1\n`)
    expect(problems[0]).toMatchObject({ line, column, message })
    const isOpen = text.includes('[') && !text.includes(']')
    if (!isOpen) expect(parseXlCfg(`${text}\nlast = 1\n`).assignments.at(-1)?.key).toBe('last')
  })

  test('what is added must be of the same kind', () => {
    const { settings: found, problems } = settingsOf(parseXlCfg('vif=["a"]\nvif+="b"').assignments)
    expect([...found]).toEqual([['vif', ['a']]])
    expect(problems).toMatchObject([{ line: 2, message: expect.stringContaining('vif is a list, this is a string') }])
  })

  test('what is printed is read back', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.tuple(key, value), { selector: ([name]) => name, maxLength: 6 }), (pairs) => {
        const text = pairs.map(([name, one]) => `${printSetting(name, one)}\n`).join('')
        expect(settings(text)).toEqual(Object.fromEntries(pairs))
      }),
    )
  })

  test('tokens cover all of any text, and no text is too much', () => {
    fc.assert(
      fc.property(
        fc.string({
          unit: fc.constantFrom(
            'a',
            'b',
            ' ',
            '=',
            '+',
            '[',
            ']',
            ',',
            ';',
            '\n',
            '#',
            '"',
            "'",
            '\\',
            '0',
            '9',
            'é',
            '\r',
          ),
        }),
        (text) => {
          expect([...tokens(text)].map(({ from, to }) => text.slice(from, to)).join('')).toBe(text)
          const { assignments } = parseXlCfg(text)
          for (const { place } of assignments) expect(place.to).toBeLessThanOrEqual(text.length)
        },
      ),
    )
  })

  test('a setting is changed in place, with everything else as it was', () => {
    const text = '# ours\nmemory = 256   # MiB\nname="a"; vcpus = 2\n'
    expect(withSetting(text, 'memory', 512)).toBe('# ours\nmemory = 512   # MiB\nname="a"; vcpus = 2\n')
    expect(withSetting(text, 'vif', ['bridge=xenbr0'])).toBe(`${text}vif = ["bridge=xenbr0"]\n`)
    expect(withoutSetting(text, 'memory')).toBe('# ours\n   # MiB\nname="a"; vcpus = 2\n')
    expect(withoutSetting('a=1\nb=2\nc=3', 'b')).toBe('a=1\nc=3')
    expect(withSetting('extra="a"\nextra+="b" # more\n', 'extra', 'c')).toBe('extra = "c"\n # more\n')
  })

  test('changes take effect, whatever was there', () => {
    const line = fc.tuple(fc.constantFrom('a', 'b'), fc.constantFrom(' = ', '+='), fc.array(scalar, { maxLength: 2 }))
    fc.assert(
      fc.property(fc.array(line, { maxLength: 6 }), scalar, (lines, one) => {
        const text = lines
          .map(([name, operator, list]) => `${printSetting(name, list).replace(' = ', operator)} # x\n`)
          .join('')
        expect(settings(withSetting(text, 'a', one))).toEqual({ ...settings(text), a: one })
        const { a: _, ...others } = settings(text)
        expect(settings(withoutSetting(text, 'a'))).toEqual(others)
      }),
    )
  })
})
