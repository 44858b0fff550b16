import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { describe, expect, test } from 'vitest'
import { metricsPage } from '../docs/metrics-page.ts'
import { specPage } from '../docs/spec-page.ts'
import { commandTable } from '../src/cli/command-table.ts'
import { jsonSchema } from '../src/cluster/spec/json-schema.ts'
import { eventKinds } from '../src/director/events.ts'

const root = join(import.meta.dirname, '..')
const read = (path: string): string => readFileSync(join(root, path), 'utf8')
const pages = ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'CHANGELOG.md', ...markdownBelow('docs')]

function markdownBelow(directory: string): string[] {
  return readdirSync(join(root, directory), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `${directory}/${name}`)
}

describe('the documentation', () => {
  test('docs/spec.md is made from the schema as it is now', () => {
    expect(read('docs/spec.md')).toBe(specPage())
  })

  test('docs/metrics.md is made from the families as they are now', async () => {
    expect(read('docs/metrics.md')).toBe(await metricsPage())
  })

  test('every key of the schema is on its page', () => {
    const page = read('docs/spec.md')
    const keys = new Set(
      [...JSON.stringify(jsonSchema()).matchAll(/"properties":\{"([\w-]+)"/g)].map(([, key]) => key ?? ''),
    )
    expect(keys.size).toBeGreaterThan(10)
    for (const key of keys) expect(page).toContain(key)
  })

  test('every kind of event is on its page, and no other', () => {
    const rows = [...read('docs/events.md').matchAll(/^\| (`\w+\.\w+`(?: `\w+\.\w+`)*) \|/gm)]
    expect(rows.flatMap(([, kinds = '']) => kinds.replaceAll('`', '').split(' ')).sort()).toEqual(
      [...eventKinds].sort(),
    )
  })

  test.each(commandTable.map(({ name }) => ({ name })))('the README has the command $name', ({ name }) => {
    expect(read('README.md')).toMatch(new RegExp(`\`(baton )?${name}\\b`))
  })

  test.each(pages.map((page) => ({ page })))('every link and every file that $page names is there', ({ page }) => {
    const text = read(page)
    const links = [...text.matchAll(/\]\((?!https?:)([^)#]+)/g)].map(([, target]) => join(dirname(page), target ?? ''))
    const files = [...text.matchAll(/`((?:src|bench|labs|scripts|docs|examples|test|bin|packaging)\/[\w./-]+)`/g)].map(
      ([, file]) => file ?? '',
    )
    const missing = [...links, ...files].filter((path) => !existsSync(join(root, path)))
    expect(missing.map((path) => relative('.', path))).toEqual([])
  })
})
