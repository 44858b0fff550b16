import { describe, expect, test } from 'vitest'
import { translatePattern } from './pcre.ts'

const matches = (pattern: string, text: string, ...options: readonly string[]): boolean | string => {
  const translated = translatePattern(pattern, options)
  return 'refused' in translated ? translated.refused : new RegExp(translated.source, translated.flags).test(text)
}

/** What pcre2test(1) says of them. */
describe('a Perl-compatible regular expression', () => {
  test.each<[pattern: string, text: string, is: boolean, ...options: string[]]>([
    ['^ok$', 'ok\n', true],
    ['^ok$', 'ok\n', false, 'dollar_endonly'],
    ['^ok$', 'ok\n\n', false],
    ['^b$', 'a\nb\nc', false],
    ['^b$', 'a\nb\nc', true, 'multiline'],
    ['a.c', 'a\rc', true],
    ['a.c', 'a\nc', false],
    ['a.c', 'a\nc', true, 'dotall'],
    ['OK', 'ok', false],
    ['OK', 'ok', true, 'caseless'],
    ['(?i)OK', 'ok', true],
    ['(?is)o.K', 'O\nk', true],
    ['b', 'ab', false, 'anchored'],
    ['a|b', 'xb', false, 'anchored'],
    ['a b # c', 'ab', true, 'extended'],
    ['a\\ b[ #]', 'a b#', true, 'extended'],
    ['[[:digit:]]+[^[:space:]]', '12x', true],
    ['^[^[:digit:]]$', '1', false],
    ['[]a]', ']', true],
    ['\\Qa.b\\E$', 'axb', false],
    ['\\Qa.b\\E$', 'a.b', true],
    ['\\Aa\\Z', 'a\n', true],
    ['\\Aa\\z', 'a\n', false],
    ['\\hx', '\tx', true],
    ['^\\s$', '\u00a0', false],
    ['<h1>It\\x20works\\!</h1>', '<h1>It works!</h1>', true],
    ['é', 'é', true, 'utf'],
  ])('%s on %j', (pattern, text, is, ...options) => {
    expect(matches(pattern, text, ...options)).toBe(is)
  })

  test.each<[pattern: string, said: string, ...options: string[]]>([
    ['a', 'ungreedy has no counterpart', 'ungreedy'],
    ['(?>a)', '(?> has no counterpart'],
    ['a++', '++ (possessive) has no counterpart'],
    ['a\\Kb', '\\K has no counterpart'],
    ['(?i:a)', '(?i: has no counterpart'],
    ['[[:nothing:]]', '[:nothing:] has no counterpart'],
    ['(a', 'Unterminated group'],
    ['[a', 'a [ without its ]'],
  ])('%s is refused', (pattern, said, ...options) => {
    expect(matches(pattern, '', ...options)).toContain(said)
  })
})
