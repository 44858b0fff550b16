/** Directors beside each other: two with interfaces of their own, and one in the stead of another version's. */
import { renameSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type EbpfOptions, ebpfEngine } from '../../src/engines/ebpf/ebpf.ts'
import { layoutVersion } from '../../src/engines/ebpf/layout.ts'
import { addServer, addService, aServer, aService, errorOf, within } from '../../src/engines/engine.contract.ts'
import type { Engine, EngineChange, EngineReport, ServiceSnapshot } from '../../src/engines/engine.ts'
import type { ServiceId } from '../../src/lvs/service.ts'
import { eventually } from '../net/loopback.ts'
import { programsAt } from './packet-world.ts'
import { enterNewNamespace, execute, openBpfWorld } from './world.ts'

const web: Extract<ServiceId, { kind: 'address' }> = {
  kind: 'address',
  protocol: 'tcp',
  address: '10.50.0.1',
  port: 80,
}
const limits = { connections: 1024, templates: 256, services: 16, servers: 64, 'table-entries': 4096 }
const table = (server: number): EngineChange[] => [addService(aService(web)), addServer(web, aServer(server))]

async function standing(engine: Engine): Promise<ServiceSnapshot | undefined> {
  return (await engine.read({ ...within(), only: [web] }))[0]
}

test('two directors with interfaces of their own live side by side, each with its own table', async () => {
  await using world = await openBpfWorld()
  await using namespace = await enterNewNamespace()
  await execute('ip', ['-n', namespace.name, 'link', 'add', 'wan', 'type', 'veth', 'peer', 'name', 'beyond'])
  await execute('ip', ['-n', namespace.name, 'link', 'set', 'wan', 'up'])
  const engine = (director: string, over: EbpfOptions) => ebpfEngine({ ...world, limits, director, ...over })
  await using first = await engine('/run/first', { interfaces: ['lan'] })
  const second = await engine('/run/second', { interfaces: ['wan'] })
  await first.apply(table(1), within())
  await second.apply(table(2), within())
  const server = async (own: typeof first): Promise<unknown> =>
    (await standing(own))?.servers.map(({ server }) => server.port)
  expect([await server(first), await server(second)]).toEqual([[aServer(1).port], [aServer(2).port]])
  const [atLan, atWan] = [programsAt('lan'), programsAt('wan')]
  expect([atLan.length, atWan.length, atLan[0] === atWan[0]]).toEqual([1, 1, false])
  expect(await errorOf(engine('/run/third', { interfaces: ['lan'] }))).toMatchObject({ code: 'busy' })
  await second[Symbol.asyncDispose]()
  expect([programsAt('lan'), programsAt('wan')]).toEqual([atLan, []])
  expect(await server(first)).toEqual([aServer(1).port])
})

test.each(['tcx', 'clsact'] as const)(
  'what a director of another layout left goes on until this one has its table, then gives way at once (%s)',
  async (attach) => {
    await using world = await openBpfWorld()
    await using namespace = await enterNewNamespace()
    const filters = async (): Promise<string[]> => {
      const shown = await execute('tc', ['-n', namespace.name, 'filter', 'show', 'dev', 'lan', 'ingress'])
      return [...shown.stdout.matchAll(/director_in.* id (\d+)/gu)].map(([, id]) => id ?? '')
    }
    const met = async (): Promise<unknown[]> => (attach === 'tcx' ? programsAt('lan') : await filters())
    const old = await ebpfEngine({ ...world, limits, attach })
    await old.apply(table(1), within())
    const { directory } = old.program
    await old.release()
    renameSync(join(directory, `v${layoutVersion}`), join(directory, 'v1'))
    const before = await met()
    expect(before).toHaveLength(1)

    const reports: EngineReport[] = []
    await using next = await ebpfEngine({ ...world, limits, attach, onReport: (report) => void reports.push(report) })
    expect(await standing(next)).toBeUndefined()
    expect(await met()).toEqual(before)
    await next.apply(table(2), within())
    await eventually('the new one is met', async () => {
      const after = await met()
      return after.length === 1 && after[0] !== before[0]
    })
    expect(reports).toEqual([
      { kind: 'well', subject: 'ebpf engine', message: expect.stringContaining('another version') as string },
    ])
  },
)
