import { describe, expect, test } from 'vitest'
import { openFileLimit } from './open-files.ts'

describe('the limit of open files', () => {
  const line = (soft: string): string =>
    `Max processes   1   2   processes\nMax open files            ${soft}   1048576   files\n`
  test.each([
    { name: 'a number', limits: line('20000'), limit: 20_000 },
    { name: 'none', limits: line('unlimited'), limit: Number.POSITIVE_INFINITY },
    { name: 'not told', limits: '', limit: 1024 },
  ])('$name', ({ limits, limit }) => {
    expect(openFileLimit(limits)).toBe(limit)
  })

  test('this process has one', () => {
    expect(openFileLimit()).toBeGreaterThan(0)
  })
})
