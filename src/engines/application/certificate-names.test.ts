import { describe, expect, test } from 'vitest'
import { certificateFor, namesOf } from './certificate-names.ts'

const all = [
  { names: ['first.example'] },
  { names: ['*.shop.example', 'shop.example'] },
  { names: ['www.shop.example'] },
]

describe('certificates by name', () => {
  test.each([
    { name: 'shop.example', at: 1 },
    { name: 'WWW.shop.example.', at: 2 },
    { name: 'a.shop.example', at: 1 },
    { name: 'a.b.shop.example', at: 0 },
    { name: 'other', at: 0 },
    { name: '', at: 0 },
  ])('$name is served by certificate $at', ({ name, at }) => {
    expect(certificateFor(all, name)).toBe(all[at])
  })

  test('none serves when there is none', () => {
    expect(certificateFor([], 'a')).toBeUndefined()
  })

  test('names are those of the certificate, and its common name only when it has no others', () => {
    expect(namesOf('DNS:A.example, DNS:*.b.example, IP Address:10.0.0.1, URI:x', 'CN=c')).toEqual([
      'a.example', '*.b.example', '10.0.0.1',
    ]) // biome-ignore format: a list
    expect(namesOf(undefined, 'O=x\nCN=c.example')).toEqual(['c.example'])
    expect(namesOf(undefined, 'O=x')).toEqual([])
  })
})
