/** packaging/grafana/baton.json asks only for what there is. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'

const root = join(import.meta.dirname, '../../..')
const read = (path: string): string => readFileSync(join(root, path), 'utf8')

type Panel = {
  readonly id: number
  readonly type: string
  readonly title: string
  readonly gridPos: { readonly h: number; readonly w: number; readonly x: number; readonly y: number }
  readonly datasource?: { readonly uid: string }
  readonly targets?: readonly {
    readonly refId: string
    readonly expr: string
    readonly datasource: { readonly uid: string }
  }[]
}
type Dashboard = {
  readonly schemaVersion: number
  readonly panels: readonly Panel[]
  readonly templating: {
    readonly list: readonly { readonly name: string; readonly type: string; readonly definition?: string }[]
  }
  readonly annotations: { readonly list: readonly { readonly expr?: string }[] }
}

const dashboard = JSON.parse(read('packaging/grafana/baton.json')) as Dashboard
const documented = new Map(
  [...read('docs/metrics.md').matchAll(/^\| `(\w+)` \| \w+ \| (.*?) \|/gm)].map(([, name = '', labels = '']) => [
    name,
    labels.split(' ').map((label) => label.replaceAll('`', '')),
  ]),
)
const expressions = [
  ...dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
  ...dashboard.templating.list.flatMap(({ definition = [] }) => definition),
  ...dashboard.annotations.list.flatMap(({ expr = [] }) => expr),
]

/** From Prometheus or Grafana, not from us. */
const others = ['instance', 'job']

describe('the Grafana dashboard', () => {
  test('asks for documented metrics only, by labels that they have', () => {
    expect(expressions.length).toBeGreaterThan(40)
    for (const expr of expressions) {
      const used = [...expr.matchAll(/\b((?:baton|process|nodejs)_\w+)(?:\{([^}]*)\})?/g)]
      expect(used.length, expr).toBeGreaterThan(0)
      for (const [, written = '', selector = ''] of used) {
        const name = documented.has(written) ? written : written.replace(/_(bucket|sum|count)$/, '')
        const labels = documented.get(name)
        expect(labels, `${written} in ${expr}`).toBeDefined()
        for (const [, label = ''] of selector.matchAll(/(\w+)(?:=~|!=|!~|=)"/g))
          expect([...(labels ?? []), ...others], `${label} of ${expr}`).toContain(label)
        for (const [, list = ''] of expr.matchAll(/by \(([^)]*)\)/g))
          for (const label of list.split(', '))
            expect([...(labels ?? []), ...others], `by ${label} of ${expr}`).toContain(label)
      }
    }
  })

  test('parentheses and braces are closed', () => {
    for (const expr of expressions)
      for (const [open, close] of ['()', '{}', '[]'])
        expect(expr.split(open ?? '').length, expr).toBe(expr.split(close ?? '').length)
  })

  test('is one that Grafana takes: a data source to choose, panels of their own that do not overlap', () => {
    expect(dashboard.schemaVersion).toBeGreaterThanOrEqual(39)
    expect(dashboard.templating.list[0]).toMatchObject({ name: 'datasource', type: 'datasource' })
    const { panels } = dashboard
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length)
    for (const { type, targets = [], datasource, title } of panels) {
      if (type === 'row') continue
      expect([datasource?.uid, ...targets.map((target) => target.datasource.uid)], title).toEqual(
        Array.from({ length: targets.length + 1 }, () => '${datasource}'),
      )
      expect(new Set(targets.map(({ refId }) => refId)).size, title).toBe(targets.length)
    }
    const taken = new Set<string>()
    for (const { gridPos, title } of panels)
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x += 1)
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y += 1) {
          expect(x, title).toBeLessThan(24)
          expect(taken.has(`${x} ${y}`), title).toBe(false)
          taken.add(`${x} ${y}`)
        }
  })

  test('shows every family of our own but what only restates another', () => {
    const shown = expressions.join(' ')
    const missing = [...documented.keys()].filter(
      (name) => name.startsWith('baton_') && !new RegExp(`\\b${name}(_bucket)?\\b`).test(shown),
    )
    expect(missing).toEqual([
      'baton_server_health',
      'baton_server_active_connections',
      'baton_server_inactive_connections',
      'baton_server_bytes_in_total',
      'baton_server_bytes_out_total',
    ])
  })
})
