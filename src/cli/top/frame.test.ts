import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { plainPaint } from '../terminal/paint.ts'
import { frame } from './frame.ts'
import { initialState, type Sample, type State, step } from './model.ts'

const sample = (atMs: number, cpuSeconds: number, connections: number): Sample => ({
  atMs,
  guests: [
    { name: 'web-1', state: 'running', memoryBytes: 2 ** 27, cpuSeconds, residentBytes: 2 ** 26 },
    { name: 'web-2', state: 'crashed', memoryBytes: 2 ** 27, cpuSeconds: undefined, residentBytes: undefined },
  ],
  services: [
    {
      name: 'www',
      address: '127.0.0.1:8080',
      scheduler: 'rr',
      connections,
      bytes: connections * 1000,
      servers: [
        {
          address: '127.0.0.1:40001',
          guest: 'web-1',
          weight: 1,
          health: 'healthy',
          drained: false,
          active: 2,
          inactive: 1,
          connections,
          bytes: connections * 1000,
        },
      ],
    },
  ],
  problem: undefined,
})

const state = [sample(0, 1, 0), sample(1000, 1.5, 120)].reduce(
  (before, one) => step(before, { kind: 'sample', sample: one }).state,
  initialState,
)
const down = (before: State): State => step(before, { kind: 'key', key: 'down' }).state

describe('top frame', () => {
  test('shows guests, services and servers', () => {
    expect(frame(state, { columns: 96, rows: 12 }, plainPaint)).toMatchInlineSnapshot(`
      [
        "baton top  1/2 guests run, 50% cpu  120 conn/s  117K/s",
        "",
        "GUEST  STATE    CPU%  MEMORY    OF",
        "web-1  running  50.0     64M  128M",
        "web-2  crashed     -       -  128M",
        "",
        "SERVICE / SERVER       GUEST  HEALTH   WEIGHT  ACTIVE  INACTIVE  CONN/S  BYTES/S",
        "www 127.0.0.1:8080 rr                                               120     117K",
        "  127.0.0.1:40001      web-1  healthy       1       2         1     120     117K",
        "",
        "",
        "q quit  ↑↓ select  d drain  u undrain  sort: n name  c cpu  m memory  r conn/s  b bytes/s",
      ]
    `)
  })

  test('fits every size of terminal, with the selection in sight', () => {
    const selected = down(down(down(state)))
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 150 }), fc.integer({ min: 1, max: 30 }), (columns, rows) => {
        const lines = frame(selected, { columns, rows }, plainPaint)
        expect(lines.length).toBeLessThanOrEqual(rows)
        for (const line of lines) expect(line.length).toBeLessThanOrEqual(columns)
        if (rows >= 6 && columns >= 20) expect(lines.join('\n')).toContain('127.0.0.1:40001')
      }),
    )
  })

  test('before the first sample it says that it asks', () => {
    expect(frame(initialState, { columns: 80, rows: 5 }, plainPaint)[0]).toBe('baton top: asking …')
  })
})
