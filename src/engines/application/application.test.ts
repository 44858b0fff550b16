import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { openLoopback } from '../../../labs/net/loopback.ts'
import type { Application } from '../../lvs/application.ts'
import { serviceKey } from '../../lvs/service.ts'
import { addServer, addService, aServer, aService, engineContract, errorOf, within } from '../engine.contract.ts'
import { applicationEngine } from './application.ts'

let pools = 0
engineContract('application', async () => {
  const engine = await applicationEngine()
  return {
    engine,
    freeService: async () => ({ kind: 'pool', name: `pool-${++pools}` }),
    [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose](),
  }
})

const http: Application = { kind: 'http', rules: [] }

describe('the application engine', () => {
  test('takes what it reads, and pools, and refuses the rest by name', async () => {
    await using engine = await applicationEngine()
    const id = { kind: 'address', protocol: 'tcp', address: '127.0.0.1', port: 9 } as const
    const refused = await errorOf(engine.apply([addService(aService(id))], within()))
    expect(refused).toMatchObject({ code: 'unsupported', subject: serviceKey(id) })
    const udp = { ...id, protocol: 'udp' } as const
    expect((await errorOf(engine.apply([addService(aService(udp, { application: http }))], within()))).code).toBe(
      'unsupported',
    )
    const direct = aServer(80, { forwarding: 'direct' })
    const pool = { kind: 'pool', name: 'a' } as const
    const refusedServer = await errorOf(engine.apply([addService(aService(pool)), addServer(pool, direct)], within()))
    expect(refusedServer).toMatchObject({ code: 'unsupported', subject: 'pool a' })
    expect(await engine.read(within())).toEqual([])
  })

  test('an address in use is said, with a hint, and nothing of the apply is kept', async () => {
    await using net = openLoopback()
    await using engine = await applicationEngine()
    const taken = await net.tcpServer(() => undefined)
    const free = await net.freePlace()
    const [first, second] = [free, taken].map(
      ({ address, port }) => ({ kind: 'address', protocol: 'tcp', address, port }) as const,
    )
    if (first === undefined || second === undefined) throw new Error('two places')
    const both = [first, second].map((id) => addService(aService(id, { application: http })))
    const error = await errorOf(engine.apply(both, within()))
    expect(error).toMatchObject({ code: 'busy', subject: serviceKey(second), retryable: true })
    expect(error.hint).toContain(String(taken.port))
    expect(await engine.read(within())).toEqual([])
    await expect(net.dial(free)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  })

  test('certificate files that are missing or no good are named, and nothing is changed', async () => {
    await using net = openLoopback()
    await using engine = await applicationEngine()
    const directory = await mkdtemp(join(tmpdir(), 'baton-certificates-'))
    try {
      const id = { kind: 'address', protocol: 'tcp', ...(await net.freePlace()) } as const
      const garbage = join(directory, 'garbage.pem')
      await writeFile(garbage, 'no PEM')
      const missing = join(directory, 'missing.pem')
      const tries = [
        { certificate: missing, code: 'not-found', subject: missing },
        { certificate: garbage, code: 'invalid', subject: garbage },
      ]
      for (const { certificate, ...is } of tries) {
        const application: Application = { kind: 'tls', rules: [], certificates: [{ certificate, key: garbage }] }
        const changes = [addService(aService(id, { application })), addServer(id, aServer(1))]
        expect(await errorOf(engine.apply(changes, within()))).toMatchObject(is)
        expect(await engine.read(within())).toEqual([])
        await expect(net.dial(id)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
      }
    } finally {
      await rm(directory, { recursive: true, force: true })
    }
  })
})
