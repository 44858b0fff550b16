import { expect, test } from 'vitest'
import { changedLines } from './line-diff.ts'

const shown = (before: string, after: string): string[] =>
  changedLines(before, after).map(({ sign, text }) => `${sign}${text}`)

test('a line that moves goes and comes, with what stands around it', () => {
  expect(shown('a\nb\nmoved\nc\nd\n', 'a\nb\nc\nd\nmoved\n')).toEqual([' a', ' b', '-moved', ' c', ' d', '+moved'])
})

test('a new file is shown whole, empty lines too', () => {
  expect(shown('', '[Match]\nName=a\n\n[Network]\n')).toEqual(['+[Match]', '+Name=a', '+', '+[Network]'])
})

test('far from a change nothing is shown, and between two there is a gap', () => {
  const lines = Array.from({ length: 12 }, (_, index) => String(index))
  const after = lines.map((line) => (line === '1' || line === '10' ? 'x' : line))
  expect(shown(`${lines.join('\n')}\n`, `${after.join('\n')}\n`)).toEqual([
    ...[' 0', '-1', '+x', ' 2', ' 3', ' …', ' 8', ' 9', '-10', '+x', ' 11'],
  ])
})

test('equal texts differ in nothing', () => {
  expect(shown('a\n', 'a\n')).toEqual([])
})
