import { resolve } from 'node:path/posix'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { directoryOf, expandHome, joinPath } from './paths.ts'

describe('paths', () => {
  test.each([
    ['/a/b', './c', '/a/b/c'],
    ['/a/b', '../c', '/a/c'],
    ['/', '../../c', '/c'],
    ['/a', '/x//y/./z/', '/x/y/z'],
    ['.', 'c', 'c'],
    ['.', '../c', '../c'],
    ['..', '../c', '../../c'],
    ['a', '..', '.'],
    ['', 'c', 'c'],
  ])('%s and %s make %s', (directory, path, joined) => {
    expect(joinPath(directory, path)).toBe(joined)
  })

  test('absolute directories are joined as Node joins them', () => {
    const path = fc.array(fc.constantFrom('a', 'b', '.', '..', ''), { maxLength: 6 }).map((parts) => parts.join('/'))
    fc.assert(
      fc.property(path, path, (a, b) => {
        expect(joinPath(`/${a}`, b)).toBe(resolve(`/${a}`, b))
      }),
    )
  })

  test.each([
    ['/a/b.yaml', '/a'],
    ['/b.yaml', '/'],
    ['b.yaml', '.'],
    ['x/b.yaml', 'x'],
  ])('%s lies in %s', (file, directory) => {
    expect(directoryOf(file)).toBe(directory)
  })

  test('the tilde is HOME where there is one', () => {
    expect(['~/x', '~', 'x', '~other/x', './~'].map((path) => expandHome(path, '/home/ann'))).toEqual([
      '/home/ann/x',
      '/home/ann',
      'x',
      '~other/x',
      './~',
    ])
    expect(['~/x', 'x'].map((path) => expandHome(path, undefined))).toEqual([undefined, 'x'])
  })
})
