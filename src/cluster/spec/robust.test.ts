/** Whatever the text is, the parser answers: a spec, or errors with places in the text. Never both, never an exception. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseSpec } from './parse.ts'
import { printSpec } from './print.ts'
import { randomSpec } from './random-spec.ts'

function parseAnything(text: string): void {
  const { spec, diagnostics, places } = parseSpec({
    file: 'dir/baton.yaml',
    text,
    environment: { X: 'x', HOME: '/root' },
    // What is included is the same text again, under another name.
    readInclude: (path) => (path.length > 40 ? undefined : text),
  })
  const errors = diagnostics.filter(({ severity }) => severity === 'error')
  expect(spec === undefined).toBe(errors.length > 0)
  const lengths = text.split('\n').map((line) => line.length)
  for (const { line, column, message } of diagnostics) {
    expect(message).not.toBe('')
    expect(line, message).toBeLessThanOrEqual(lengths.length)
    expect(column, message).toBeLessThanOrEqual((lengths[line - 1] ?? 0) + 1)
    expect(Math.min(line, column)).toBeGreaterThanOrEqual(1)
  }
  expect(places(['guests', 'web', 0]).line).toBeGreaterThanOrEqual(1)
}

const yamlish = fc
  .array(
    fc.constantFrom(
      'name', 'hosts', 'images', 'guests', 'services', 'directors', 'include', 'web', 'tiny', 'image', 'memory', 'servers', 'address',
      ': ', ':', '- ', '\n', '\n  ', '\n    ', '{', '}', '[', ']', ', ', '"', "'", '&a ', '*a', '<<: ', '? ', '| ', '>\n', '!!str ', '#', '${X}', '${Y', '$$',
      '12', '256M', '10.0.0.1:80', 'null', '~', '%', '@', '\t', '---\n', '...\n', '\ufeff', '\0', '\r\n', '\u2028', '😀', '\ud800', '\uf640', '__proto__',
    ),
    { maxLength: 40 },
  )
  .map((parts) => parts.join('')) // biome-ignore format: a list to read at a glance

/** A good file with one thing cut out, put in or doubled. */
const mutated = fc
  .tuple(randomSpec, fc.nat(), fc.nat(30), fc.oneof(yamlish, fc.string({ unit: 'binary', maxLength: 5 })))
  .map(([spec, at, length, put]) => {
    const text = printSpec(spec)
    const from = at % (text.length + 1)
    return text.slice(0, from) + put + text.slice(from + length)
  })

describe('the parser never crashes', () => {
  test.each([
    ['random bytes', fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes).toString('latin1')), 500],
    ['random text', fc.string({ unit: 'binary', maxLength: 200 }), 500],
    ['random pieces of YAML', yamlish, 1000],
    ['good files with a mistake', mutated, 100],
  ] as const)('on %s', (_, text, numRuns) => {
    fc.assert(fc.property(text, parseAnything), { numRuns })
  })

  test.each([
    ['open lists', '['.repeat(20_000)],
    ['open maps', '{'.repeat(20_000)],
    ['open maps with keys', '{a: '.repeat(20_000)],
    ['lists in one line', '- '.repeat(20_000)],
    ['keys in one line', '? '.repeat(20_000)],
    ['colons in one line', ': '.repeat(20_000)],
    ['deeper and deeper lines', Array.from({ length: 3000 }, (_, indent) => `${' '.repeat(indent)}a:`).join('\n')],
    ['deeper and deeper lists', Array.from({ length: 3000 }, (_, indent) => `${' '.repeat(indent)}-`).join('\n')],
    ['brackets that close too often', ']'.repeat(20_000)],
    ['exclamation marks', '!'.repeat(20_000)],
    ['anchors', '&a '.repeat(5000)],
    ['quotes', '"'.repeat(20_001)],
    ['dollars', `name: ${'$'.repeat(20_001)}{`],
    ['opened variables', `name: ${'${A'.repeat(20_000)}`],
    ['a long line', `name: ${'x'.repeat(1_000_000)}`],
    ['many keys', Array.from({ length: 20_000 }, (_, index) => `k${index}: 1`).join('\n')],
    ['a long file', 'x'.repeat(5_000_000)],
    [
      'aliases of aliases',
      Array.from(
        { length: 40 },
        (_, index) => `k${index}: &a${index} [${index === 0 ? 'x' : `*a${index - 1}, *a${index - 1}`}]`,
      ).join('\n'),
    ],
    ['an alias inside itself', 'name: &a [*a]'],
    ['a map that merges itself', 'name: &a { <<: *a }'],
  ])('on %s', (_, text) => {
    parseAnything(text)
  })
})
