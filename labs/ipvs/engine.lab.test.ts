/** Baton's engine on Linux's own IPVS, in the guest: the contract of all engines, and the same table as the real ipvsadm shows. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { tableLines } from '../../src/compat/ipvsadm/listing.ts'
import {
  addServer,
  addService,
  aServer,
  aService,
  type EngineUnderTest,
  engineContract,
  errorOf,
  within,
} from '../../src/engines/engine.contract.ts'
import type { Engine, EngineChange } from '../../src/engines/engine.ts'
import { engineStateContract } from '../../src/engines/engine-state.contract.ts'
import { ipvsEngineOn } from '../../src/engines/ipvs/ipvs.ts'
import type { ListFormat } from '../../src/formats/ipvsadm/command.ts'
import { noNames } from '../../src/formats/ipvsadm/text.ts'
import { type ServiceId, serviceKey } from '../../src/lvs/service.ts'
import { type KernelIpvs, kernelIpvs } from './guest.ts'
import { guestIpvs } from './guest-ipvs.ts'
import { encodeFrame } from './packets.ts'
import { worldSteps } from './world.ts'

let guest: KernelIpvs
beforeAll(async () => {
  guest = await kernelIpvs({ signal: AbortSignal.timeout(600_000) })
})
afterAll(async () => {
  await guest[Symbol.asyncDispose]()
})

async function open(): Promise<EngineUnderTest> {
  await guest.do([{ kind: 'world' }, { kind: 'run', command: ['ip', 'link', 'set', 'lo', 'up'] }])
  const engine = await ipvsEngineOn(await guestIpvs(guest))
  let port = 8000
  return {
    engine,
    freeService: async (protocol = 'tcp') => ({ kind: 'address', protocol, address: '10.50.0.1', port: port++ }),
    [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose](),
  }
}
engineContract('ipvs', open)
engineStateContract('ipvs', open)

const run = async (...command: string[]): Promise<string> => {
  const [{ code, stdout, stderr }] = await guest.do([{ kind: 'run', command }])
  if (code !== 0) throw new Error(`${command.join(' ')}: ${stderr}`)
  return stdout
}

const gre = { type: 'gre', checksum: 'csum' } as const
const listings: readonly (readonly [ListFormat['columns'], readonly string[]])[] = [
  ['normal', ['-Ln']],
  ['stats', ['-Ln', '--stats']],
  ['rate', ['-Ln', '--rate']],
  ['thresholds', ['-Ln', '--thresholds']],
  ['persistent-conn', ['-Ln', '--persistent-conn']],
  ['tun-info', ['-Ln', '--tun-info']],
]

/** As `baton ipvsadm -Ln` prints it. */
async function listed(engine: Engine, columns: ListFormat['columns'] = 'normal'): Promise<string> {
  const [services, info] = [await engine.read(within()), await engine.info(within())]
  const format: ListFormat = { columns, numeric: true, exact: false, nosort: false, persistenceData: false }
  return `${tableLines(services, info, format, noNames).join('\n')}\n`
}

describe('beside the real ipvsadm', () => {
  test('both show the same table, whoever made it', async () => {
    await using world = await open()
    const { engine } = world
    const persistence = { timeoutSeconds: 90, mask: '255.255.255.0' }
    const v6: ServiceId = { kind: 'address', protocol: 'udp', address: 'fd50::1', port: 53 }
    const marked: ServiceId = { kind: 'fwmark', mark: 7, family: 'ipv6' }
    await engine.apply(
      [
        addService(aService(await world.freeService(), { scheduler: 'mh', schedulerFlags: ['mh-port'], persistence })),
        addService(aService(v6, { scheduler: 'wlc', onePacket: true })),
        addServer(v6, aServer(53, { address: 'fd09::2', weight: 3, upperThreshold: 9, lowerThreshold: 4 })),
        addService(aService(marked, { persistence: { timeoutSeconds: 300, mask: '64' } })),
        addServer(marked, aServer(0, { address: '10.9.0.3', forwarding: 'tunnel', tunnel: gre })),
      ],
      within(),
    )
    await run('ipvsadm', '-A', '-t', '10.50.0.9:90', '-s', 'sh', '-b', 'sh-port', '-p', '77', '--pe', 'sip')
    await run(
      'ipvsadm',
      '-a',
      '-t',
      '10.50.0.9:90',
      '-r',
      '10.9.0.2:91',
      '-i',
      '--tun-type',
      'gue',
      '--tun-port',
      '6080',
    )
    for (const [columns, option] of listings)
      expect(await listed(engine, columns)).toBe(await run('ipvsadm', ...option))
  })

  test('edits of others beside it are read, and services of others are left alone', async () => {
    await using world = await open()
    const id = await world.freeService()
    await world.engine.apply(
      [addService(aService(id)), addServer(id, aServer(81)), addServer(id, aServer(82))],
      within(),
    )
    await run('ipvsadm', '-A', '-t', '10.50.0.9:90')
    await run('ipvsadm', '-d', '-t', '10.50.0.1:8000', '-r', '127.0.0.1:81')
    await run('ipvsadm', '-e', '-t', '10.50.0.1:8000', '-r', '127.0.0.1:82', '-m', '-w', '9')
    const [ours, theirs] = await world.engine.read(within())
    expect(ours?.servers.map(({ server }) => server)).toEqual([aServer(82, { weight: 9 })])
    expect(theirs?.service.id).toMatchObject({ address: '10.50.0.9', port: 90 })
    // What is gone meanwhile is added anew, what is there is changed.
    await world.engine.apply(
      [81, 82].map((port): EngineChange => ({ kind: 'server.update', id, server: aServer(port) })),
      within(),
    )
    await world.engine.apply([{ kind: 'service.remove', id }], within())
    expect((await world.engine.read(within())).map(({ service }) => service.id)).toEqual([theirs?.service.id])
  })

  test('a run that the kernel refuses half-way leaves what was before', async () => {
    await using world = await open()
    const [id, other] = [await world.freeService(), await world.freeService()]
    const before: EngineChange[] = [
      addService(aService(id, { scheduler: 'wlc' })),
      addServer(id, aServer(81)),
      addServer(id, aServer(82, { weight: 7 })),
      { kind: 'settings', settings: { timeouts: { udp: 33 }, sysctls: { sloppy_tcp: 1 } } },
    ]
    await world.engine.apply(before, within())
    const shown = await listed(world.engine)
    const refused = world.engine.apply(
      [
        { kind: 'settings', settings: { timeouts: { udp: 44 }, sysctls: { sloppy_tcp: 0, expire_nodest_conn: 1 } } },
        addService(aService(other)),
        addService(aService(id, { scheduler: 'sed' })),
        { kind: 'server.remove', id, server: aServer(81) },
        { kind: 'server.update', id, server: aServer(82, { weight: 1 }) },
        { kind: 'service.remove', id },
        addService(aService(id)),
        addServer(id, aServer(83)),
        addServer(id, aServer(84, { address: '224.0.0.9' })),
      ],
      within(),
    )
    expect(await errorOf(refused)).toMatchObject({ code: 'invalid', subject: serviceKey(id) })
    expect(await listed(world.engine)).toBe(shown)
    expect(await run('ipvsadm', '-Ln')).toBe(shown)
    const { settings } = await world.engine.info(within())
    expect(settings.timeouts.udp).toBe(33)
    expect(settings.sysctls).toMatchObject({ sloppy_tcp: 1, expire_nodest_conn: 0 })
  })

  test('its connections and templates are those of ipvsadm -Lnc', async () => {
    await using world = await open()
    const id: ServiceId = { kind: 'address', protocol: 'tcp', address: '10.50.0.1', port: 80 }
    const persistence = { timeoutSeconds: 100, mask: '255.255.255.0' }
    await guest.do(worldSteps(false))
    const [client, server] = [
      { address: '203.0.113.5', port: 40_000 },
      { address: '10.9.0.2', port: 8080 },
    ]
    await world.engine.apply(
      [addService(aService(id, { persistence })), addServer(id, aServer(server.port, server))],
      within(),
    )
    const common = { protocol: 'tcp', flags: ['syn'], chunks: [], payload: '', mark: 0 } as const
    await guest.do([{ kind: 'frame', frame: encodeFrame({ ...common, from: client, to: id }) }])
    const found = []
    for await (const connection of world.engine.connections(within())) found.push(connection)
    const byPort = found.toSorted((a, b) => b.client.port - a.client.port)
    expect(byPort).toMatchObject([
      { protocol: 'tcp', client, service: { address: id.address, port: 80 }, server, state: 'SYN_RECV' },
      { protocol: 'tcp', client: { address: '203.0.113.0', port: 0 }, server, state: 'NONE' },
    ])
    const printed = (await run('ipvsadm', '-Lnc')).trim().split('\n').slice(2)
    expect(found).toHaveLength(printed.length)
  })
})
