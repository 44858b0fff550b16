import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseSpec } from './parse.ts'
import { expandVariables, maskVariables, plainScalar, unmaskVariables } from './variables.ts'

const environment = { NAME: 'shop', N: '3', EMPTY: '', TRICKY: '${NAME} $$ a: b' }

describe('variables', () => {
  test.each([
    ['${NAME}', 'shop'],
    ['a-${NAME}-${N}', 'a-shop-3'],
    ['${NONE:-default}', 'default'],
    ['${NONE:-}', ''],
    ['${EMPTY:-default}', 'default'],
    ['${NAME:-default}', 'shop'],
    ['${EMPTY}', ''],
    ['$$', '$'],
    ['$${NAME}', '${NAME}'],
    ['$$${NAME}', '$shop'],
    ['$NAME costs 5$', '$NAME costs 5$'],
    ['${TRICKY}', '${NAME} $$ a: b'],
  ])('%s becomes %s', (text, expanded) => {
    expect(expandVariables(text, environment)).toEqual({ text: expanded, problems: [] })
  })

  test.each([
    ['${NONE}', 'the environment has no variable NONE'],
    ['${constructor}', 'the environment has no variable constructor'],
    ['${}', 'does not begin a variable'],
    ['${1}', 'does not begin a variable'],
    ['${NAME', 'does not begin a variable'],
    ['${NAME-x}', 'does not begin a variable'],
  ])('%s cannot be replaced', (text, message) => {
    const { problems } = expandVariables(text, environment)
    expect(problems).toHaveLength(1)
    expect(problems[0]?.message).toContain(message)
  })

  test('dollars that are doubled come back as they were', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(expandVariables(text.replaceAll('$', '$$$$'), {})).toEqual({ text, problems: [] })
      }),
    )
  })

  test('masking keeps the length, and unmasking gives the text back', () => {
    const text = fc.string({ unit: fc.constantFrom('$', '{', '}', 'A', ':', '-', ' ', '"', ',', '\n') })
    fc.assert(
      fc.property(text, (text) => {
        expect(maskVariables(text)).toHaveLength(text.length)
        expect(unmaskVariables(maskVariables(text))).toBe(text)
      }),
    )
  })

  test('a value without quotes is read as YAML reads it; with quotes it is text', () => {
    expect(['3', '-1', '1.5', 'true', 'null', '', 'x', '3G', '0x10'].map(plainScalar)).toEqual([
      3,
      -1,
      1.5,
      true,
      null,
      null,
      'x',
      '3G',
      '0x10',
    ])
  })

  test('a spec takes them in blocks and in braces', () => {
    const text =
      'name: ${NAME}\nguests:\n  a: { image: tiny, count: ${N}, memory: ${MEMORY:-2G} }\n  b:\n    image: ${IMAGE:-tiny} # ${NONE} in a comment is none\n    vcpus: ${N}\n'
    const { spec, diagnostics } = parseSpec({ file: 'f', text, environment, readInclude: () => undefined })
    expect(diagnostics).toEqual([])
    expect(spec?.name).toBe('shop')
    expect(spec?.guests).toMatchObject({ a: { count: 3, memoryBytes: 2 * 1024 ** 3 }, b: { image: 'tiny', vcpus: 3 } })
  })
})
