/** The checks of the web and of names against haproxy and dnsmasq, each started once, privately. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ProbeSpec } from '../../src/health/check.ts'
import { openDescriptors, probe } from '../../test/build/servers.ts'
import { dnsmasq, haproxy } from './web.ts'

let web: Awaited<ReturnType<typeof haproxy>>
let names: Awaited<ReturnType<typeof dnsmasq>>
const answerMs = 5000
const silentMs = 400
const ok = { status: [200] } as const
const tls = { verify: false }

beforeAll(async () => {
  web = await haproxy()
  names = await dnsmasq()
})

afterAll(async () => {
  await web[Symbol.asyncDispose]()
  await names[Symbol.asyncDispose]()
})

type Row = { readonly spec: ProbeSpec; readonly at: 'http' | 'https' | 'tcp' | 'dns'; readonly healthy: boolean }
const portOf = (at: Row['at']): number => (at === 'dns' ? names.ports.dns : web.ports[at])

const rows: readonly (Row & { readonly detail?: string })[] = [
  { spec: { kind: 'tcp' }, at: 'http', healthy: true },
  {
    spec: { kind: 'http', path: '/a?b', host: 'www.shop', body: '^GET /a\\?b www.shop', ...ok },
    at: 'http',
    healthy: true,
  },
  { spec: { kind: 'http', path: '/', method: 'HEAD', ...ok }, at: 'http', healthy: true },
  { spec: { kind: 'http', path: '/', method: 'POST', send: 'x=1', body: '^POST', ...ok }, at: 'http', healthy: true },
  { spec: { kind: 'http', path: '/down', ...ok }, at: 'http', healthy: false, detail: 'status 503' },
  { spec: { kind: 'http', path: '/down', status: [[500, 599]] }, at: 'http', healthy: true },
  { spec: { kind: 'http', path: '/moved', ...ok }, at: 'http', healthy: false, detail: 'status 302' },
  { spec: { kind: 'http', path: '/moved', redirects: 1, body: '/well', ...ok }, at: 'http', healthy: true },
  { spec: { kind: 'http', path: '/', body: 'nothing of this', ...ok }, at: 'http', healthy: false },
  {
    spec: { kind: 'http', path: '/', host: 'www.shop', body: ' www.shop www.shop$', tls, ...ok },
    at: 'https',
    healthy: true,
  },
  {
    spec: { kind: 'http', path: '/', body: 'api.shop$', tls: { ...tls, sni: 'api.shop' }, ...ok },
    at: 'https',
    healthy: true,
  },
  { spec: { kind: 'http', path: '/', tls: { verify: true }, ...ok }, at: 'https', healthy: false },
  { spec: { kind: 'http', path: '/', ...ok }, at: 'https', healthy: false },
  { spec: { kind: 'http', path: '/', tls, ...ok }, at: 'http', healthy: false },
  { spec: { kind: 'http', path: '/', ...ok }, at: 'tcp', healthy: false },
  {
    spec: { kind: 'http-proxy', url: 'http://www.shop/x', body: '^GET http://www.shop/x', ...ok },
    at: 'http',
    healthy: true,
  },
  { spec: { kind: 'http-proxy', url: 'http://www.shop/down', ...ok }, at: 'http', healthy: false },
  { spec: { kind: 'tls', minimumDays: 1, ...tls }, at: 'https', healthy: true, detail: '1 more days' },
  { spec: { kind: 'tls', minimumDays: 30, ...tls }, at: 'https', healthy: false },
  { spec: { kind: 'tls', minimumDays: 0, ...tls }, at: 'http', healthy: false },
  { spec: { kind: 'agent' }, at: 'tcp', healthy: false },
  { spec: { kind: 'grpc' }, at: 'http', healthy: false },
  ...(['udp', 'tcp'] as const).flatMap((transport): (Row & { detail?: string })[] => {
    const dns = { kind: 'dns', transport } as const
    return [
      { spec: { ...dns, name: 'www.shop', type: 'A', expect: ['192.0.2.1'] }, at: 'dns', healthy: true },
      { spec: { ...dns, name: 'www.shop', type: 'AAAA', expect: ['2001:DB8::1'] }, at: 'dns', healthy: true },
      { spec: { ...dns, name: 'info.shop', type: 'TXT', expect: ['all is well'] }, at: 'dns', healthy: true },
      {
        spec: { ...dns, name: '_sip._udp.shop', type: 'SRV', expect: ['10 5 5060 sip.shop'] },
        at: 'dns',
        healthy: true,
      },
      { spec: { ...dns, name: 'shop', type: 'MX', expect: ['7 mail.shop'] }, at: 'dns', healthy: true },
      { spec: { ...dns, name: '1.2.0.192.in-addr.arpa', type: 'PTR', pattern: '^www' }, at: 'dns', healthy: true },
      { spec: { ...dns, name: 'www.shop', type: 'A', expect: ['192.0.2.9'] }, at: 'dns', healthy: false },
      { spec: { ...dns, name: 'no.shop', type: 'A' }, at: 'dns', healthy: false, detail: 'NXDOMAIN' },
      { spec: { ...dns, name: 'elsewhere.example', type: 'A' }, at: 'dns', healthy: false, detail: 'REFUSED' },
    ]
  }),
]

const title = ({ spec, at, healthy }: Row): string =>
  `${at} is ${healthy ? 'healthy' : 'not healthy'} by ${JSON.stringify(spec)}`

describe('a real server', () => {
  test.each(rows.map((row) => ({ ...row, title: title(row) })))(
    '$title',
    async ({ spec, at, healthy, detail = '' }) => {
      const before = openDescriptors()
      const result = await probe(spec, portOf(at), '127.0.0.1', answerMs)
      expect(result).toMatchObject({ healthy, detail: expect.stringContaining(detail) as string })
      await expect.poll(openDescriptors).toBeLessThanOrEqual(before)
    },
  )

  test('that hangs is not healthy, at the deadline, and nothing is left open', async () => {
    const asked = rows.filter(({ healthy, spec }) => healthy && spec.kind !== 'tcp')
    web.pause()
    names.pause()
    try {
      const before = openDescriptors()
      for (const { spec, at } of asked) {
        const result = await probe(spec, portOf(at), '127.0.0.1', silentMs)
        expect(result).toMatchObject({ healthy: false })
        expect(result.tookMs).toBeLessThan(4 * silentMs)
      }
      await expect.poll(openDescriptors).toBeLessThanOrEqual(before)
    } finally {
      web.resume()
      names.resume()
    }
  })
})
