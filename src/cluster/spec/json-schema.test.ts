import { describe, expect, test } from 'vitest'
import { jsonSchema } from './json-schema.ts'

type Node = Readonly<Record<string, unknown>>

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null
}

/** Every property of every object in the schema, with its path. */
function properties(node: unknown, path: string): [string, Node][] {
  if (!isNode(node)) return []
  const own = isNode(node['properties']) ? Object.entries(node['properties']) : []
  const named = own.flatMap(([key, value]): [string, Node][] => [[`${path}.${key}`, isNode(value) ? value : {}]])
  const below = Object.entries(node).flatMap(([key, value]) =>
    key === 'properties' ? own.flatMap(([key, value]) => properties(value, `${path}.${key}`)) : properties(value, path),
  )
  return [...named, ...below]
}

describe('the JSON Schema', () => {
  const schema = jsonSchema()
  const found = properties(schema, '')

  test('describes every property in a sentence', () => {
    expect(found.length).toBeGreaterThan(60)
    const silent = found.filter(([, { description }]) => typeof description !== 'string' || !/[.)]$/.test(description))
    expect(silent.map(([path]) => path)).toEqual([])
  })

  test('knows every section of the file and what it needs', () => {
    expect(Object.keys(schema['properties'] as Node)).toEqual([
      'name',
      'include',
      'hosts',
      'images',
      'guests',
      'services',
      'directors',
    ])
    expect(schema['required']).toEqual(['name'])
    expect(schema['additionalProperties']).toBe(false)
  })

  test('says the defaults', () => {
    const byPath = new Map(found)
    expect(byPath.get('.guests.memory')?.['default']).toBe('256M')
    expect(byPath.get('.services.scheduler')?.['default']).toBe('wlc')
    expect(byPath.get('.every')?.['default']).toBe('2s')
    expect(byPath.get('.services.scheduler')?.['enum']).toContain('wrr')
  })

  test('is plain JSON', () => {
    expect(JSON.parse(JSON.stringify(schema))).toEqual(schema)
  })
})
