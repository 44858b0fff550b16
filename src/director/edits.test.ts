import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type DirectorWorld, openDirectorWorld, within } from '../../test/build/director.ts'
import { buildServer, buildService } from '../../test/build/services.ts'
import { type FakeEngine, fakeEngine } from '../engines/fake/fake.ts'
import { InfraError } from '../errors.ts'
import type { EditResult, TableEdit } from '../lvs/edit.ts'
import type { ServiceId } from '../lvs/service.ts'
import { memoryEditJournal } from './edit-journal.ts'
import { emptyIntent } from './intent.ts'

const ids: readonly ServiceId[] = [
  { kind: 'fwmark', mark: 1, family: 'ipv4' },
  { kind: 'fwmark', mark: 1, family: 'ipv6' },
  { kind: 'address', protocol: 'tcp', address: '10.0.0.1', port: 80 },
  { kind: 'address', protocol: 'udp', address: '10.0.0.1', port: 80 },
]
const id = fc.constantFrom(...ids)
const service = fc
  .tuple(id, fc.constantFrom('rr' as const, 'wlc' as const, 'twos' as const))
  .map(([id, scheduler]) => buildService({ id, scheduler }))
const server = fc
  .tuple(fc.constantFrom('10.1.0.1', '10.1.0.2', 'fd00::1', '224.0.0.1'), fc.constantFrom(-1, 1, 5), fc.boolean())
  .map(([address, weight, isTunnel]) => buildServer(80, { address, weight, forwarding: isTunnel ? 'tunnel' : 'masq' }))

const edit: fc.Arbitrary<TableEdit> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('service.add' as const), service }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('service.edit' as const), service }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('service.delete' as const), id }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('server.add' as const), id, server }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('server.edit' as const), id, server }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('server.delete' as const), id, server }) },
  { weight: 1, arbitrary: fc.constant<TableEdit>({ kind: 'flush' }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('zero' as const), id }) },
  { weight: 1, arbitrary: fc.constant<TableEdit>({ kind: 'timeouts', timeouts: { tcp: 77, udp: 0 } }) },
  { weight: 1, arbitrary: fc.constant<TableEdit>({ kind: 'daemon.stop', role: 'master' }) },
  {
    weight: 1,
    arbitrary: fc.constant<TableEdit>({
      kind: 'daemon.start',
      daemon: { role: 'master', interface: 'lo', syncId: 1, group: '224.0.0.81', port: 8848, ttl: 1 },
    }),
  },
)

/** An engine that refuses one server wherever it comes: the rules of IPVS do not know why. */
function moody(engine: FakeEngine = fakeEngine()): FakeEngine {
  return {
    ...engine,
    async apply(changes, options) {
      for (const change of changes)
        if (change.kind === 'server.add' && change.server.address === '10.1.0.2' && change.server.weight === 5)
          throw new InfraError('busy', 'not this one', { subject: 'engine' })
      await engine.apply(changes, options)
    },
  }
}

async function tableOf({ director }: DirectorWorld): Promise<unknown> {
  const { services, info } = await director.table(within())
  return {
    services: services.map(({ service, servers }) => ({ service, servers: servers.map(({ server }) => server) })),
    settings: info.settings,
    daemons: info.daemons,
  }
}

describe('edits by hand', () => {
  test('many at once are answered, stand and are kept as one after the other would', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(edit, { maxLength: 25 }), fc.array(edit, { maxLength: 25 }), async (first, second) => {
        await using one = await openDirectorWorld(emptyIntent, { engine: moody() })
        const answers: EditResult[] = []
        for (const edit of [...first, ...second]) answers.push(...(await one.director.edit([edit], within())))
        const journal = memoryEditJournal()
        await using many = await openDirectorWorld(emptyIntent, { engine: moody(), journal })
        const both = [...(await many.director.edit(first, within())), ...(await many.director.edit(second, within()))]
        expect(both).toEqual(answers)
        expect(await tableOf(many)).toEqual(await tableOf(one))
        // A director that takes up the journal stands where they do, and its loop finds nothing to mend.
        await using next = await openDirectorWorld(emptyIntent, { journal })
        expect(await tableOf(next)).toEqual(await tableOf(one))
        const { count } = many.applied
        await many.timing.advance(30_000)
        expect(many.applied.count).toBe(count)
      }),
      { numRuns: 150 },
    )
  })

  test.each([
    { name: 'in one go', atOnce: true },
    { name: 'one by one', atOnce: false },
  ])('a service that is deleted takes along what its servers stood in the way of, $name', async ({ atOnce }) => {
    await using world = await openDirectorWorld()
    const [mark = ids[0] as ServiceId] = ids
    const add: TableEdit = { kind: 'service.add', service: buildService({ id: mark }) }
    const other = buildServer(80, { address: 'fd00::1', forwarding: 'tunnel' })
    const start: TableEdit = {
      kind: 'daemon.start',
      daemon: { role: 'master', interface: 'lo', syncId: 1, group: '224.0.0.81', port: 8848, ttl: 1 },
    }
    const edits: TableEdit[] = [
      add,
      { kind: 'server.add', id: mark, server: other },
      start,
      { kind: 'service.delete', id: mark },
      start,
      add,
      { kind: 'server.add', id: mark, server: other },
    ]
    const answers: EditResult[] = []
    if (atOnce) answers.push(...(await world.director.edit(edits, within())))
    else for (const edit of edits) answers.push(...(await world.director.edit([edit], within())))
    expect(answers.map((answer) => (answer.ok ? 'ok' : answer.errno))).toEqual([
      ...['ok', 'ok', 'EINVAL', 'ok', 'ok', 'ok', 'EINVAL'],
    ])
  })

  test('a daemon without a message size gets the one that the kernel would take for its interface', async () => {
    const surroundings = async () => ({ addresses: [], interfaces: new Map([['lo', 65_536]]) })
    await using world = await openDirectorWorld(emptyIntent, { surroundings })
    const daemon = { role: 'backup', interface: 'lo', syncId: 0, group: '224.0.0.81', port: 8848, ttl: 1 } as const
    expect(await world.director.edit([{ kind: 'daemon.start', daemon }], within())).toEqual([{ ok: true }])
    expect((await world.director.table(within())).info.daemons).toEqual([{ ...daemon, maxLength: 65_507 }])
  })

  test('a service that is deleted and made again in one go has no servers left', async () => {
    await using world = await openDirectorWorld()
    const [mark = ids[0] as ServiceId] = ids
    const add: TableEdit = { kind: 'service.add', service: buildService({ id: mark }) }
    const join: TableEdit = { kind: 'server.add', id: mark, server: buildServer(80) }
    await world.director.edit([add, join], within())
    const again: TableEdit[] = [{ kind: 'service.delete', id: mark }, add, join, join]
    const answers = await world.director.edit(again, within())
    expect(answers.map((answer) => (answer.ok ? 'ok' : answer.errno))).toEqual(['ok', 'ok', 'ok', 'EEXIST'])
  })

  test('what an engine cannot do is refused before it is asked, with the reason and who can', async () => {
    const engine = fakeEngine()
    const poor = { ...engine, name: 'userspace' as const, capabilities: { ...engine.capabilities, fwmark: false } }
    await using world = await openDirectorWorld(emptyIntent, { engine: poor })
    const before = world.applied.count
    const [answer] = await world.director.edit(
      [{ kind: 'service.add', service: buildService({ id: { kind: 'fwmark', mark: 1, family: 'ipv4' } }) }],
      within(),
    )
    expect(answer).toEqual({
      ok: false,
      errno: 'EOPNOTSUPP',
      message: 'the userspace engine has no firewall-mark services',
      hint: 'the ipvs engine can',
    })
    expect(world.applied.count).toBe(before)
  })

  test('an engine that does not answer fails each edit, and is asked once only', async () => {
    const engine = fakeEngine()
    let asked = 0
    const dead: FakeEngine = {
      ...engine,
      apply: () => {
        asked += 1
        return Promise.reject(new InfraError('failed', 'the data plane ended', { subject: 'userspace' }))
      },
    }
    await using world = await openDirectorWorld(emptyIntent, { engine: dead })
    const edits = [1, 2, 3].map((mark): TableEdit => {
      return { kind: 'service.add', service: buildService({ id: { kind: 'fwmark', mark, family: 'ipv4' } }) }
    })
    const failure = { ok: false, errno: 'EIO', message: 'the data plane ended' }
    expect(await world.director.edit(edits, within())).toEqual([failure, failure, failure])
    expect(asked).toBe(1)
  })
})
