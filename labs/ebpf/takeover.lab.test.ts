/**
 * One director takes another one's place with the connections that it was told of: what is being transferred goes on, to
 * the same real server, and so do clients that are remembered.
 */
import type { ChildProcess } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { EngineChange } from '../../src/engines/engine.ts'
import type { PortableConnection } from '../../src/lvs/portable-connection.ts'
import type { Forwarding, ServiceId } from '../../src/lvs/service.ts'
import { eventually } from '../net/loopback.ts'
import {
  type Family,
  openTakeoverWorld,
  type TakeoverWorld,
  takeoverAddresses,
  takeoverPort,
} from './takeover-world.ts'

const families = ['ipv4', 'ipv6'] as const
const waitMs = 30_000

function table(forwarding: Forwarding): EngineChange[] {
  return families.flatMap((family): EngineChange[] => {
    const { vip, server } = takeoverAddresses[family]
    const id: ServiceId = { kind: 'address', protocol: 'tcp', address: vip, port: takeoverPort }
    const mask = family === 'ipv6' ? '128' : '255.255.255.255'
    const persistence = { timeoutSeconds: 300, mask }
    const real = { port: takeoverPort, forwarding, weight: 1, upperThreshold: 0, lowerThreshold: 0 }
    return [
      { kind: 'service.add', service: { id, scheduler: 'rr', schedulerFlags: [], onePacket: false, persistence } },
      ...[2, 3].map(
        (number): EngineChange => ({
          kind: 'server.add',
          id,
          server: { ...real, address: server(number) },
        }),
      ),
    ]
  })
}

const bracketed = (address: string): string => (address.includes(':') ? `[${address}]` : address)

async function serveEchoes(world: TakeoverWorld, forwarding: Forwarding): Promise<void> {
  for (const number of [2, 3] as const)
    for (const family of families) {
      const { vip, server } = takeoverAddresses[family]
      const at = bracketed(forwarding === 'masq' ? server(number) : vip)
      const listen = `TCP${family === 'ipv6' ? 6 : 4}-LISTEN:${takeoverPort},bind=${at},fork,reuseaddr`
      world.start(`server${number}`, 'socat', listen, 'EXEC:cat')
    }
  for (const server of ['server2', 'server3'] as const)
    await eventually(
      `${server} listens`,
      async () => (await world.run(server, 'ss', '-Hltn')).trim().split('\n').length === families.length,
      waitMs,
    )
}

/** A client in the middle of a transfer. */
class Transfer {
  readonly #child: ChildProcess
  readonly #sent = createHash('sha256')
  readonly #heard = createHash('sha256')
  sentBytes = 0
  heardBytes = 0

  constructor(world: TakeoverWorld, family: Family) {
    const to = `TCP${family === 'ipv6' ? 6 : 4}:${bracketed(takeoverAddresses[family].vip)}:${takeoverPort}`
    this.#child = world.start('client', 'socat', '-t', '20', '-', to)
    this.#child.stdout?.on('data', (bytes: Buffer) => {
      this.heardBytes += bytes.length
      this.#heard.update(bytes)
    })
  }

  send(bytes: Buffer): void {
    this.sentBytes += bytes.length
    this.#sent.update(bytes)
    this.#child.stdin?.write(bytes)
  }

  async isHeard(): Promise<void> {
    await eventually('all has come back', () => this.heardBytes === this.sentBytes, waitMs)
  }

  /** Of what was sent, and of what came back. */
  digests(): readonly [string, string] {
    return [this.#sent.copy().digest('hex'), this.#heard.copy().digest('hex')]
  }

  end(): void {
    this.#child.stdin?.end()
  }
}

/** By what a connection is the same on both. */
function names(connections: readonly PortableConnection[]): string[] {
  return connections
    .filter(({ kind }) => kind === 'connection')
    .map(({ client, server }) => `${client.address} ${client.port} ${server.address} ${server.port}`)
    .toSorted()
}

describe.each(['masq', 'direct', 'tunnel'] as const)('by %s', (forwarding) => {
  test('transfers go on through another director, and clients stay with their servers', async () => {
    await using world = await openTakeoverWorld(forwarding)
    const { one, two } = world.directors
    for (const director of [one, two]) await director.ask({ kind: 'apply', changes: table(forwarding) })
    await serveEchoes(world, forwarding)
    await world.moveTo('one')

    const begun: Transfer[] = []
    for (const family of families) {
      for (let count = 0; count < 2; count++) {
        const transfer = new Transfer(world, family)
        transfer.send(randomBytes(200_000))
        await transfer.isHeard()
        begun.push(transfer)
      }
    }
    const { exported = [] } = await one.ask({ kind: 'export' })
    expect(names(exported).length).toBeGreaterThanOrEqual(begun.length)
    expect(exported.filter(({ kind }) => kind === 'template')).toHaveLength(2)
    // Without having been asked it has told the same.
    await eventually(
      'all has been told',
      () => {
        const told = new Set(names(one.told))
        return names(exported).every((name) => told.has(name))
      },
      waitMs,
    )
    const { taken } = await two.ask({ kind: 'take', connections: one.told })
    expect(taken).toMatchObject({ waiting: 0, refused: {} })

    // In the middle of it.
    for (const transfer of begun) transfer.send(randomBytes(3_000_000))
    await world.moveTo('two')
    one.kill()
    for (const net of ['front', 'back']) await world.run('one', 'ip', 'link', 'set', net, 'down')
    for (const transfer of begun) transfer.send(randomBytes(1_000_000))
    for (const transfer of begun) await transfer.isHeard()
    for (const transfer of begun) {
      const [sent, heard] = transfer.digests()
      expect(heard).toBe(sent)
    }

    // A client that is remembered comes again.
    for (const family of families) {
      const again = new Transfer(world, family)
      again.send(randomBytes(1000))
      await again.isHeard()
    }
    const { connections = [] } = await two.ask({ kind: 'connections' })
    const { table: standing = [] } = await two.ask({ kind: 'read' })
    for (const { service, servers } of standing) {
      const own = connections.filter(
        ({ service: { address }, client }) =>
          'address' in service.id && address === service.id.address && client.port > 0,
      )
      expect(own.length).toBeGreaterThanOrEqual(3)
      // One server has all of them, and counts them.
      expect(new Set(own.map(({ server }) => server.address)).size).toBe(1)
      expect(servers.map(({ active, inactive }) => active + inactive).toSorted()).toEqual([0, own.length])
    }
    for (const transfer of begun) transfer.end()
  })
})
