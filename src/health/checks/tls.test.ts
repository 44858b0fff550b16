import { createServer as createTlsServer } from 'node:tls'
import { describe, expect, test, vi } from 'vitest'
import { listen, makeCertificate, probe } from '../../../test/build/servers.ts'
import type { TlsCheckSpec } from '../check.ts'
import { standsMisbehaviour } from './misbehaviour.contract.ts'

const tls = (changes: Partial<TlsCheckSpec> = {}): TlsCheckSpec => ({
  kind: 'tls',
  verify: false,
  minimumDays: 0,
  ...changes,
})
const certificate = makeCertificate({ days: 30 })

describe('check tls', () => {
  test.each<{ name: string; spec: TlsCheckSpec; healthy: boolean; detail: string }>([
    { name: 'a certificate that lasts', spec: tls(), healthy: true, detail: 'lasts 29 more days' },
    { name: 'long enough', spec: tls({ minimumDays: 29 }), healthy: true, detail: 'lasts 29' },
    { name: 'not long enough', spec: tls({ minimumDays: 30 }), healthy: false, detail: 'lasts 29' },
    {
      name: 'nobody vouches for it',
      spec: tls({ verify: true, sni: 'www.shop' }),
      healthy: false,
      detail: 'DEPTH_ZERO_SELF_SIGNED_CERT',
    },
  ])('$name', async ({ spec, healthy, detail }) => {
    await using server = await listen(createTlsServer(certificate))
    const result = await probe(spec, server.port)
    expect(result).toMatchObject({ healthy, detail: expect.stringContaining(detail) as string })
    if (!spec.verify) expect(result.report).toEqual({ certificateDays: 29 })
    await expect.poll(() => server.open()).toBe(0)
  })

  test('a certificate that has ended', async () => {
    await using server = await listen(createTlsServer(certificate))
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 40 * 86_400_000 })
    try {
      expect(await probe(tls(), server.port)).toMatchObject({
        healthy: false,
        detail: expect.stringContaining('ended on') as string,
        report: { certificateDays: -11 },
      })
    } finally {
      vi.useRealTimers()
    }
  })

  test('the server is asked for a name', async () => {
    const asked: string[] = []
    const SNICallback = (name: string, done: (error: Error | null) => void): void => {
      asked.push(name)
      done(null)
    }
    await using server = await listen(createTlsServer({ ...certificate, SNICallback }))
    expect((await probe(tls({ sni: 'www.shop' }), server.port)).healthy).toBe(true)
    expect(asked).toEqual(['www.shop'])
  })
})

standsMisbehaviour(tls())
