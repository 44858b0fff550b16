import { describe, expect, test } from 'vitest'
import { colourPaint, plainPaint } from '../terminal/paint.ts'
import { cutLine, paintLine } from './line.ts'
import { table } from './table.ts'
import { formatBytes, formatDuration } from './units.ts'

describe('table', () => {
  const columns = [{ title: 'NAME' }, { title: 'SIZE', align: 'right' }, { title: 'NOTE' }] as const

  test('columns are as wide as their widest cell and no line ends in a space', () => {
    const rows = [
      ['web-1', '8M', ''],
      ['db', '128M', 'slow'],
    ]
    expect(table(columns, rows, plainPaint)).toEqual(['NAME   SIZE  NOTE', 'web-1    8M', 'db     128M  slow'])
  })

  test('colours do not move a column', () => {
    const [, first = '', second = ''] = table(
      columns,
      [
        [{ text: 'a', style: 'red' }, '1', 'x'],
        ['bbb', '1', 'x'],
      ],
      colourPaint,
    )
    const plain = first.replaceAll(/\p{Cc}\[\d+m/gu, '')
    expect(first).not.toBe(plain)
    expect(plain.indexOf('x')).toBe(second.indexOf('x'))
  })

  test('control characters from elsewhere do not reach the terminal', () => {
    expect(table([{ title: 'A' }], [['\u001b[2Jx']], plainPaint)).toEqual(['A', '?[2Jx'])
  })
})

describe('lines', () => {
  test('a cut line has the width, and says that it was cut', () => {
    const line = ['abc', { text: 'defg', style: 'bold' }] as const
    expect(paintLine(cutLine(line, 5), plainPaint)).toBe('abcd…')
    expect(paintLine(cutLine(line, 7), plainPaint)).toBe('abcdefg')
    expect(paintLine(cutLine(line, 0), plainPaint)).toBe('')
  })
})

describe('units', () => {
  test.each([
    [0, '0B'],
    [1023, '1023B'],
    [1536, '1.5K'],
    [128 * 1024 ** 2, '128M'],
    [1024 ** 2 - 1, '1M'],
    [3.25 * 1024 ** 3, '3.3G'],
  ])('%d bytes are %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text)
  })

  test.each([
    [40, '0.0s'],
    [9940, '9.9s'],
    [9960, '10s'],
    [185_000, '3m05s'],
    [7_620_000, '2h07m'],
  ])('%d ms are %s', (ms, text) => {
    expect(formatDuration(ms)).toBe(text)
  })
})
