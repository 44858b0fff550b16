/** Checks over a network of their own: pings with and without privilege, and servers whose machine is gone. */
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ProbeResult, ProbeSpec } from '../../src/health/check.ts'
import { type Chain, isRoot, openChain } from '../net/namespaces.ts'

if (!isRoot()) console.warn('skipped: network namespaces are for root')

const script = join(import.meta.dirname, 'probe-once.ts')
const tsx = ['node', '--import', 'tsx', script]
/** A user without privilege, in a group that ping_group_range may take in. */
const nobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--bounding-set=-all']

describe.skipIf(!isRoot())('over a network', () => {
  let chain: Chain

  beforeAll(async () => {
    chain = await openChain(2)
    const card = "$(ip -o -4 addr show scope global | awk '{ print $2 }')"
    for (const end of [0, 1]) await chain.run(end, ['sh', '-c', `ip addr add fd00:9::${end + 1}/64 dev ${card} nodad`])
  })
  afterAll(async () => chain[Symbol.asyncDispose]())

  type Answer = { readonly results: readonly ProbeResult[]; readonly left: number }
  async function ask(asked: readonly { spec: ProbeSpec; address: string; port: number }[], as: readonly string[] = []) {
    const said = await chain.run(0, [...as, ...tsx, JSON.stringify(asked)])
    return JSON.parse(said) as Answer
  }
  const ping = (address: string) => ({ spec: { kind: 'ping' }, address, port: 0 }) as const
  const allow = (range: string) => chain.run(0, ['sysctl', '-qw', `net.ipv4.ping_group_range=${range}`])

  test.each<{ name: string; range: string; as: readonly string[]; detail: string }>([
    { name: 'without privilege, where the kernel allows it', range: '65534 65534', as: nobody, detail: 'echoed' },
    { name: 'with privilege, where the kernel does not', range: '1 0', as: [], detail: 'echoed' },
    { name: 'not at all with neither, which is said', range: '1 0', as: nobody, detail: 'ping_group_range' },
  ])('pings work $name', async ({ range, as, detail }) => {
    await allow(range)
    const { results, left } = await ask([ping(chain.address(0, 2)), ping('fd00:9::2')], as)
    expect(results).toMatchObject([
      { healthy: detail === 'echoed', detail: expect.stringContaining(detail) as string },
      { healthy: detail === 'echoed', detail: expect.stringContaining(detail) as string },
    ])
    expect(left).toBeLessThanOrEqual(0)
  })

  const specs: readonly ProbeSpec[] = [
    { kind: 'tcp' },
    { kind: 'ping' },
    { kind: 'udp', expect: { pattern: '' } },
    { kind: 'http', path: '/', status: [200] },
    { kind: 'http', path: '/', status: [200], tls: { verify: false } },
    { kind: 'http-proxy', url: 'http://www.shop/', status: [200] },
    { kind: 'http-proxy', url: 'https://www.shop/', status: [200] },
    { kind: 'dns', name: 'a', type: 'A', transport: 'udp' },
    { kind: 'dns', name: 'a', type: 'A', transport: 'tcp' },
    { kind: 'tls', minimumDays: 0, verify: false },
    { kind: 'grpc' },
    { kind: 'agent' },
  ]

  test('every check of a machine that is gone ends at its deadline, and leaves nothing', async () => {
    await allow('0 0')
    const gone = chain.address(0, 2).replace(/2$/, '77')
    const { results, left } = await ask(specs.map((spec) => ({ spec, address: gone, port: 80 })))
    for (const result of results) {
      expect(result).toMatchObject({ healthy: false, detail: expect.stringContaining('in time') as string })
      expect(result.tookMs).toBeLessThan(2000)
    }
    expect(left).toBeLessThanOrEqual(0)
  })

  test('every check says when there is no way to a server, and leaves nothing', async () => {
    const asked = specs.map((spec) => ({ spec, address: '203.0.113.77', port: 80 }))
    const { results, left } = await ask(asked)
    for (const result of results)
      expect(result).toMatchObject({ healthy: false, detail: expect.stringContaining('ENETUNREACH') as string })
    expect(left).toBeLessThanOrEqual(0)
  })
})
