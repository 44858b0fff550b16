import { readFile } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { decodeBtf, elfSection } from '../../wire/btf.ts'
import { directions, events, flowKinds, forwardings, layouts, rules, tunnels, uses } from './layout.ts'

const object = await readFile(new URL('../../../bpf/director.bpf.o', import.meta.url))
const structs = decodeBtf(elfSection(object, '.BTF') ?? new Uint8Array())
const header = await readFile(new URL('../../../bpf/layout.h', import.meta.url), 'utf8')

/** The object keeps no names of enumerations that no structure holds: they are read from the header. */
function enumerated(text: string): Record<string, number> {
  const found: Record<string, number> = {}
  for (const [, body = ''] of text.matchAll(/enum \w+ \{([^}]*)\}/gu)) {
    let next = 0
    for (const part of body.split(',').filter((part) => part.trim() !== '')) {
      const [name = '', value] = part.split('=').map((side) => side.trim())
      if (value !== undefined) next = Number(value)
      found[name] = next++
    }
  }
  return found
}

/** Members that only fill up. */
const filling = 'unused'

describe('what the director and its program share', () => {
  test.each(Object.entries(layouts))('struct %s lies the same on both sides', (name, { bytes, at }) => {
    const theirs = structs.get(name)
    expect(theirs?.bytes).toBe(bytes)
    expect(Object.fromEntries([...(theirs?.members ?? [])].filter(([member]) => member !== filling))).toEqual(at)
  })

  test('values have the same numbers on both sides', () => {
    const ours = { ...directions, ...events, ...flowKinds, ...forwardings, ...rules, ...tunnels, ...uses }
    const theirs = enumerated(header)
    expect(Object.fromEntries(Object.keys(ours).map((name) => [name, theirs[name]]))).toEqual(ours)
  })
})
