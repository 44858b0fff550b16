import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { loadOrder, moduleDependencies, moduleName } from './kernel-modules.ts'

const module = (info: string): Uint8Array => Buffer.from(`\x7fELF...\0${info}\0name=x\0`, 'latin1')

describe('kernel modules', () => {
  test.each([
    { name: 'none', info: 'depends=', needs: [] },
    { name: 'several', info: 'depends=virtio,virtio-ring', needs: ['virtio', 'virtio_ring'] },
    { name: 'no field at all', info: 'license=GPL', needs: [] },
  ])('a module says what it needs: $name', ({ info, needs }) => {
    expect(moduleDependencies(module(info))).toEqual(needs)
  })

  test.each([
    ['virtio-rng.ko', 'virtio_rng'],
    ['button.ko.xz', 'button'],
    ['evdev', 'evdev'],
  ])('%s is the module %s', (file, name) => {
    expect(moduleName(file)).toBe(name)
  })

  test('each module comes once, after all that it needs', () => {
    const graph = fc.array(fc.array(fc.nat(9), { maxLength: 3 }), { minLength: 10, maxLength: 10 })
    fc.assert(
      fc.property(graph, fc.array(fc.nat(9), { maxLength: 5 }), (edges, wanted) => {
        // Only edges to smaller numbers: modules do not need each other in circles.
        const needs = new Map(edges.map((to, from) => [`m${from}`, to.filter((n) => n < from).map((n) => `m${n}`)]))
        const order = loadOrder(
          wanted.map((n) => `m${n}`),
          needs,
        )
        expect(new Set(order).size).toBe(order.length)
        for (const n of wanted) expect(order).toContain(`m${n}`)
        for (const [at, name] of order.entries())
          for (const needed of needs.get(name) ?? []) expect(order.slice(0, at)).toContain(needed)
      }),
    )
  })
})
