import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { buildServer, buildWanted } from '../../test/build/services.ts'
import type { ProbeReport } from '../health/check.ts'
import type { WantedService } from './control.ts'
import { joinedReport, type Seen, standingOf } from './standing.ts'
import { type Outlook, type TableEntry, wantedTable } from './table.ts'

const report: fc.Arbitrary<ProbeReport> = fc.record(
  {
    weight: fc.oneof(
      fc.record({ percent: fc.integer({ min: 0, max: 300 }) }),
      fc.record({ absolute: fc.integer({ min: 0, max: 253 }) }),
    ),
    wish: fc.constantFrom('ready' as const, 'drain' as const),
    maximumConnections: fc.integer({ min: 0, max: 99 }),
  },
  { requiredKeys: [] },
)
const healthy = (report: ProbeReport): Seen => ({ health: 'healthy', report })

describe('how a server stands', () => {
  test('two checks that are heard together say the least of both', () => {
    fc.assert(
      fc.property(report, report, fc.integer({ min: 0, max: 65_535 }), (one, other, weight) => {
        const both = joinedReport(one, other, weight) ?? {}
        const alone = [one, other].filter(({ weight, wish }) => weight !== undefined || wish === 'drain')
        const weights = alone.map((report) => standingOf({ weight }, healthy(report), undefined).weight)
        expect(standingOf({ weight }, healthy(both), undefined).weight).toBe(
          Math.min(...(alone.length > 0 ? weights : [weight])),
        )
        expect(both.maximumConnections ?? 0).toBe(
          Math.min(...[one, other].map(({ maximumConnections: most = 0 }) => most || 100)) % 100,
        )
      }),
    )
  })

  test('what several checks add to a weight is added together, and never sinks it below 0', () => {
    const added = (by: number): ProbeReport => ({ weight: { added: by } })
    const weightOf = (said: ProbeReport | undefined): number =>
      standingOf({ weight: 5 }, healthy(said ?? {}), undefined).weight
    expect(weightOf(joinedReport(added(3), added(-1), 5))).toBe(7)
    expect(weightOf(joinedReport(added(3), { weight: { absolute: 20 } }, 5))).toBe(23)
    expect(weightOf(added(-9))).toBe(0)
    expect(weightOf(added(70_000))).toBe(65_535)
    expect(standingOf({ weight: 5 }, healthy(added(-2)), undefined).reason).toBe('its check says -2')
  })

  test('no report lifts a weight of 0, none sinks one below 1 by percent, and none goes beyond what engines take', () => {
    fc.assert(
      fc.property(report, fc.integer({ min: 1, max: 65_535 }), ({ wish: _wish, ...said }, weight) => {
        expect(standingOf({ weight: 0 }, healthy(said), undefined).weight).toBe(0)
        const own = standingOf({ weight }, healthy(said), undefined).weight
        if (said.weight !== undefined && 'percent' in said.weight && said.weight.percent > 0)
          expect(own).toBeGreaterThan(0)
        expect(own).toBeLessThanOrEqual(65_535)
      }),
    )
  })
})

function entryOf(wanted: WantedService, seen: Record<number, Seen>, more: Partial<Outlook> = {}): TableEntry {
  const look: Outlook['look'] = (_cluster, _service, { port }) => seen[port] ?? { health: 'healthy' }
  const outlook = { look, drains: [], nowMs: 0, thresholds: true, ...more }
  const [entry] = wantedTable([{ cluster: 'shop', services: [wanted] }], outlook).values()
  if (entry === undefined) throw new Error('no entry')
  return entry
}

describe('a table of what is seen', () => {
  test('an agent’s limit is passed over where the engine has none, and for DNS', () => {
    const seen = { 1001: healthy({ maximumConnections: 5 }) }
    const limitOf = ({ servers }: TableEntry) => servers.get('127.0.0.1:1001')?.upperThreshold
    expect(limitOf(entryOf(buildWanted(), seen))).toBe(5)
    expect(limitOf(entryOf(buildWanted(), seen, { thresholds: false }))).toBe(0)
    const { service, ...rest } = buildWanted()
    const dns = {
      ...rest,
      service: { ...service, id: { kind: 'dns', name: 'a', address: '127.0.0.1', port: 53 } as const },
    }
    expect(limitOf(entryOf(dns, seen))).toBe(0)
  })

  test('the share of usable servers decides on panic, at its very edge', () => {
    const servers = [1, 2, 3, 4].map((port) => buildServer(port))
    const state = (sick: number, panicPercent: number) =>
      entryOf(
        buildWanted({ servers, panicPercent }),
        Object.fromEntries(servers.slice(0, sick).map(({ port }) => [port, { health: 'unhealthy' }])),
      ).state
    expect([state(2, 50), state(2, 51), state(3, 25), state(4, 1), state(0, 100), state(1, 100)]).toEqual([
      'served',
      'panic',
      'served',
      'panic',
      'served',
      'panic',
    ])
  })

  test('a server that comes back grows, at its agent’s own weight, and says so', () => {
    const servers = [buildServer(1001, { weight: 100 }), buildServer(1002, { weight: 100 })]
    const back: Seen = { ...healthy({ weight: { percent: 50 } }), recovered: true, sinceMs: 0 }
    const entry = entryOf(buildWanted({ servers, slowStartMs: 20_000 }), { 1001: back }, { nowMs: 10_000 })
    expect([...entry.servers.values()].map(({ weight }) => weight)).toEqual([25, 100])
    expect(entry.nextMs).toBe(11_000)
    expect(entry.reasons.get('127.0.0.1:1001')).toBe('it comes back little by little')
    const later = entryOf(buildWanted({ servers, slowStartMs: 20_000 }), { 1001: back }, { nowMs: 20_000 })
    expect(later.reasons.get('127.0.0.1:1001')).toBe('its agent says 50%')
    expect(later).not.toHaveProperty('nextMs')
  })
})
