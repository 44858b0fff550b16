import { describe, expect, test } from 'vitest'
import type { RouterJson } from '../local/status.ts'
import { plainPaint } from '../terminal/paint.ts'
import { routersView } from './routers.ts'

const master: RouterJson = {
  name: 'shop/edge',
  id: 51,
  version: 3,
  interface: 'eth0',
  role: 'master',
  forMs: 61_900,
  priority: 150,
  addresses: ['10.0.0.100', '10.0.0.101'],
  master: null,
  yields: false,
  faults: [],
  troubles: ['split brain: 10.0.0.2\u001b[2J'],
}
const backup: RouterJson = {
  ...master,
  name: 'shop/out',
  id: 5,
  role: 'fault',
  yields: true,
  master: { address: '10.0.0.2', priority: 100 },
  faults: ['interface eth1 fails'],
  troubles: [],
}

describe('virtual routers', () => {
  test('without any nothing is said', () => {
    expect(routersView([], plainPaint)).toEqual([])
  })

  test('for people: roles, and what is wrong below them', () => {
    expect(routersView([master, backup], plainPaint)).toMatchInlineSnapshot(`
      [
        "ROUTER     ID  ROLE                PRIORITY  FOR  ADDRESSES              MASTER",
        "shop/edge  51  master                   150  61s  10.0.0.100 10.0.0.101  -",
        "shop/out    5  fault, handed over       150  61s  10.0.0.100 10.0.0.101  10.0.0.2 (100)",
        "problem: shop/edge: split brain: 10.0.0.2?[2J",
        "problem: shop/out: at fault: interface eth1 fails",
      ]
    `)
  })
})
