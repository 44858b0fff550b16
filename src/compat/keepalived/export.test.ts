import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { VirtualRouterSpec } from '../../cluster/spec/model.ts'
import { parseSpec } from '../../cluster/spec/parse.ts'
import { randomRouters } from '../../cluster/spec/random-router.ts'
import { convertText } from './convert-lines.ts'
import { exportKeepalived } from './export.ts'

const parse = (text: string) => {
  const { spec, diagnostics } = parseSpec({ file: 'b', text, environment: {}, readInclude: () => undefined })
  if (spec === undefined) throw new Error(diagnostics.map(({ message }) => message).join('\n'))
  return spec
}

/** As keepalived can say it: whole seconds, peers of one family, a preemption that it does not set right by itself. */
function sayable(router: VirtualRouterSpec): VirtualRouterSpec {
  const whole = (ms: number): number => Math.max(1, Math.round(ms / 1000)) * 1000
  const { announcing, source: _source, password: _, peers, ...rest } = router
  const isIpv4 = router.addresses?.[0]?.includes(':') !== true
  const isOwner = router.priority === 255
  return {
    ...rest,
    ...(isIpv4 && peers !== undefined ? { peers } : {}),
    preempts: isOwner || router.preempts,
    preemptDelayMs: router.preempts || isOwner ? Math.round(router.preemptDelayMs / 1000) * 1000 : 0,
    also: [],
    checksum: 'rfc5798',
    checksAddresses: true,
    // Interfaces, each once.
    tracked: router.tracked
      .filter(
        (one, at, all) =>
          one.kind === 'interface' &&
          all.findIndex((other) => other.kind === 'interface' && other.interface === one.interface) === at,
      )
      .map((one) => (one.weight === 0 ? { ...one, weight: 1 } : one)),
    announcing: {
      ...announcing,
      delayMs: whole(announcing.delayMs),
      conflictDelayMs: whole(announcing.conflictDelayMs),
      ...(announcing.refreshMs === undefined ? {} : { refreshMs: whole(announcing.refreshMs) }),
    },
  }
}

describe('a spec as a keepalived.conf', () => {
  const shop = parse(`
name: shop
services:
  www:
    address: 10.0.0.1:80
    scheduler: sh
    forwarding: direct
    persistence: 300s
    on-failure: drain
    fallback: 10.0.0.9:80
    fallback-command: 'true'
    servers: [{ address: "10.0.0.2:80", weight: 3 }, { address: "10.0.0.3:80" }]
    check: { http: /healthz, status: [200, 301-302], every: 2s, timeout: 1s, fall: 3, rise: 1 }
directors:
  vrrp: { name: VI_1, interface: eth0, id: 51, priority: 150, every: 500ms, addresses: [10.0.0.1/24], track: [{ command: [/bin/true, "a  b", ""], weight: -9 }] }
`)

  test('comes back as it was, but for what keepalived cannot say, which is said', () => {
    const { text, lost } = exportKeepalived(shop)
    const { spec } = convertText(text)
    expect(spec?.directors.vrrp).toEqual(shop.directors.vrrp)
    expect(Object.values(spec?.services ?? {})[0]?.servers.map(({ weight }) => weight)).toEqual([3, 1])
    expect(lost).toEqual(['fallbackCommand of service www'])
    expect(text).toContain('# not said here: fallbackCommand of service www')
  })

  test('guests and checks that keepalived lacks are said', () => {
    const { lost } = exportKeepalived(
      parse(
        'name: s\nservices:\n  db: { address: "10.0.0.1:6379", servers: [{ address: "10.0.0.2:6379" }], check: { redis: true } }\n',
      ),
    )
    expect(lost).toEqual(['servers of service db'])
  })

  test('any virtual router that it can say comes back equal', () => {
    fc.assert(
      fc.property(randomRouters, (random) => {
        const vrrp = random.map(sayable)
        const { text, lost } = exportKeepalived({ ...shop, services: {}, directors: { ...shop.directors, vrrp } })
        expect(lost).toEqual([])
        expect(convertText(text).spec?.directors.vrrp).toEqual(vrrp)
      }),
      { numRuns: 30 },
    )
  })
})
