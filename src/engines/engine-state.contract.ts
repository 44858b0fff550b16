/** The engine contract, continued: what an engine tells of itself, its settings, and the parts of a table that it only keeps. */
import { describe, expect, test } from 'vitest'
import { type Service, type ServiceId, serviceKey } from '../lvs/service.ts'
import { defaultSettings, type SysctlName, sysctlNames } from '../lvs/settings.ts'
import { addServer, addService, aServer, aService, type EngineUnderTest, errorOf, within } from './engine.contract.ts'
import type { EngineChange } from './engine.ts'

export function engineStateContract(name: string, open: () => Promise<EngineUnderTest>): void {
  describe(`engine contract, its state: ${name}`, () => {
    test('it begins with the kernel’s settings and no daemons', async () => {
      await using world = await open()
      const info = await world.engine.info(within())
      expect(info).toMatchObject({ settings: defaultSettings, daemons: [] })
      expect(info.tableSize).toBeGreaterThan(0)
    })

    test('settings are kept, what is not said stays as it is, and a timeout of 0 says nothing', async () => {
      await using world = await open()
      const [heeded] = world.engine.capabilities.sysctls
      const sysctls = heeded === undefined ? {} : { [heeded]: 1 }
      const set = (settings: Extract<EngineChange, { kind: 'settings' }>['settings']) =>
        world.engine.apply([{ kind: 'settings', settings }], within())
      await set({ timeouts: { tcp: 600 } })
      await set({ timeouts: { tcp: 0, udp: 30 }, sysctls })
      expect((await world.engine.info(within())).settings).toEqual({
        timeouts: { tcp: 600, tcpFin: 120, udp: 30 },
        sysctls: { ...defaultSettings.sysctls, ...sysctls },
      })
    })

    test('settings that it does not heed are refused by name, and their company with them', async () => {
      await using world = await open()
      const { engine } = world
      const id = await world.freeService()
      const refused: Partial<Record<SysctlName, number>>[] = sysctlNames
        .filter((name) => !engine.capabilities.sysctls.includes(name))
        .map((name) => ({ [name]: defaultSettings.sysctls[name] + 1 }))
      for (const sysctls of [...refused, { drop_entry: 4 }, { secure_tcp: -1 }]) {
        const company: EngineChange[] = [addService(aService(id)), { kind: 'settings', settings: { sysctls } }]
        const error = await errorOf(engine.apply(company, within()))
        expect(error.code).toBe('unsupported')
        expect(error.message).toContain(Object.keys(sysctls)[0])
      }
      expect(await engine.read(within())).toEqual([])
      expect((await engine.info(within())).settings).toEqual(defaultSettings)
    })

    test('one may read some services only, in the order asked for, passing over those that are not there', async () => {
      await using world = await open()
      const ids = [await world.freeService(), await world.freeService(), await world.freeService('udp')]
      const gone = await world.freeService()
      await world.engine.apply(
        ids.flatMap((id) => [addService(aService(id)), addServer(id, aServer(81))]),
        within(),
      )
      const keysOf = async (only: readonly ServiceId[]): Promise<string[]> =>
        (await world.engine.read({ ...within(), only })).map(({ service }) => serviceKey(service.id))
      const [first, second, third] = ids
      if (first === undefined || second === undefined || third === undefined) throw new Error('no services')
      expect(await keysOf([third, gone, first])).toEqual([serviceKey(third), serviceKey(first)])
      expect(await keysOf([])).toEqual([])
      expect((await world.engine.read({ ...within(), only: [second] }))[0]?.servers).toHaveLength(1)
    })

    test('counters can be zeroed of one service, of all, and of one that is not there', async () => {
      await using world = await open()
      const id = await world.freeService()
      await world.engine.apply([addService(aService(id)), addServer(id, aServer(81))], within())
      await world.engine.zero(id, within())
      await world.engine.zero(undefined, within())
      await world.engine.zero(await world.freeService(), within())
      expect((await world.engine.read(within()))[0]?.counters.connections).toBe(0)
    })

    test('all that a service and a server say is read back, and an edit replaces all of it', async () => {
      await using world = await open()
      const { capabilities } = world.engine
      const id = await world.freeService('udp')
      const rich: Service = aService(id, {
        scheduler: 'sh',
        schedulerFlags: ['sh-fallback', 'sh-port'],
        ...(capabilities.persistence
          ? {
              persistence: {
                timeoutSeconds: 77,
                mask: '255.255.0.0',
                ...(capabilities.persistenceEngines.includes('sip') ? { engine: 'sip' as const } : {}),
              },
            }
          : {}),
        onePacket: capabilities.onePacket,
      })
      const thresholds = capabilities.thresholds ? { upperThreshold: 9, lowerThreshold: 3 } : {}
      const canTunnel = capabilities.forwarding.includes('tunnel') && capabilities.tunnels.includes('gue')
      const checksum = capabilities.tunnelChecksums ? 'remcsum' : 'nocsum'
      const gue = { forwarding: 'tunnel', tunnel: { type: 'gue', port: 6080, checksum } } as const
      const server = aServer(81, { ...thresholds, ...(canTunnel ? gue : {}) })
      await world.engine.apply([addService(rich), addServer(id, server)], within())
      const [before] = await world.engine.read(within())
      expect(before?.service).toEqual(rich)
      expect(before?.servers[0]?.server).toEqual(server)
      const [plain, plainServer] = [aService(id), aServer(81)]
      const edits: EngineChange[] = [
        { kind: 'service.update', service: plain },
        { kind: 'server.update', id, server: plainServer },
      ]
      await world.engine.apply(edits, within())
      const [after] = await world.engine.read(within())
      expect(after?.service).toEqual(plain)
      expect(after?.servers[0]?.server).toEqual(plainServer)
    })

    test('a tunnel of a kind that it does not have is refused by name', async () => {
      await using world = await open()
      const { capabilities } = world.engine
      const id = await world.freeService()
      const tunnel = { type: 'gre', checksum: 'nocsum' } as const
      if (capabilities.tunnels.includes('gre') || !capabilities.forwarding.includes('tunnel')) return
      const server = aServer(81, { forwarding: 'tunnel', tunnel })
      const error = await errorOf(world.engine.apply([addService(aService(id)), addServer(id, server)], within()))
      expect(error).toMatchObject({ code: 'unsupported' })
      expect(error.message).toContain('gre')
    })

    test('checksums in tunnels are refused where it has none', async () => {
      await using world = await open()
      const { capabilities } = world.engine
      if (capabilities.tunnelChecksums || !capabilities.forwarding.includes('tunnel')) return
      const id = await world.freeService()
      const kinds = [
        { type: 'gre', checksum: 'csum' },
        { type: 'gue', port: 6080, checksum: 'remcsum' },
      ] as const
      for (const tunnel of kinds) {
        const server = aServer(81, { forwarding: 'tunnel', tunnel })
        const error = await errorOf(world.engine.apply([addService(aService(id)), addServer(id, server)], within()))
        expect(error).toMatchObject({ code: 'unsupported' })
        expect(error.message).toContain(tunnel.type)
      }
      expect(await world.engine.read(within())).toEqual([])
    })

    test('a synchronisation daemon runs once in each role, or is refused', async () => {
      await using world = await open()
      const { engine } = world
      const daemon = { interface: 'lo', syncId: 7, group: '224.0.0.81', port: 8848, ttl: 1, maxLength: 1472 }
      const start: EngineChange[] = (['backup', 'master'] as const).map((role) => ({
        kind: 'daemon.start',
        daemon: { role, ...daemon },
      }))
      if (!engine.capabilities.syncDaemon) {
        expect((await errorOf(engine.apply(start, within()))).code).toBe('unsupported')
        return
      }
      await engine.apply(start, within())
      const roles = (await engine.info(within())).daemons.map(({ role }) => role)
      expect(roles).toEqual(['master', 'backup'])
      await engine.apply([{ kind: 'daemon.stop', role: 'master' }], within())
      expect((await engine.info(within())).daemons).toEqual([{ role: 'backup', ...daemon }])
    })
  })
}
