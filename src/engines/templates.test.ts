import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { clientNetwork } from '../lvs/persistence.ts'
import type { Persistence, ServiceId } from '../lvs/service.ts'
import { addServer, addService, aServer, aService } from './engine.contract.ts'
import { isTableChange } from './engine.ts'
import { Ledger, sharedLedgerMemory } from './ledger.ts'
import { addressWords } from './records.ts'
import { Table } from './table.ts'
import { openTemplateUse, sharedTemplateMemory } from './template-use.ts'
import { Templates } from './templates.ts'

const id: ServiceId = { kind: 'address', protocol: 'tcp', address: '10.0.0.1', port: 80 }
const eachClient: Persistence = { timeoutSeconds: 100, mask: '255.255.255.255' }

function open({ persistence = eachClient, limit = 3, expiresQuiescent = false } = {}) {
  const table = new Table(new Ledger(sharedLedgerMemory(1, 64), 0))
  const use = openTemplateUse(sharedTemplateMemory(limit))
  const templates = new Templates(use, table, { limit, expiresQuiescent: () => expiresQuiescent })
  const changes = [addService(aService(id, { persistence })), addServer(id, aServer(1)), addServer(id, aServer(2))]
  table.commit(changes.filter(isTableChange))
  const [service] = table.services.values()
  if (service === undefined) throw new Error('a service')
  return {
    use,
    templates,
    service,
    /** The server's port, and the template's slot, of a new connection. */
    place: (client: string, atMs = 0, tried: readonly number[] = []) => {
      const source = addressWords(client) ?? [0]
      const flow = { source, sourcePort: 5, destination: [0x0a000001], destinationPort: 80, atMs }
      const server = templates.place(
        service,
        flow,
        service.servers.filter(({ port }) => tried.includes(port)),
      )
      return { port: server?.port, slot: templates.slot }
    },
    clients: (atMs = 0) => templates.list(0, 1000, atMs).connections.map(({ client }) => client.address),
    sweep: (atMs: number) => {
      for (let times = 0; times < 4; times++) templates.sweep(atMs)
    },
  }
}

describe('persistence templates', () => {
  test('beyond the limit the one used longest ago gives way', () => {
    const { place, clients } = open()
    for (const client of ['10.1.0.1', '10.1.0.2', '10.1.0.3', '10.1.0.1', '10.1.0.4']) place(client)
    expect(clients().sort()).toEqual(['10.1.0.1', '10.1.0.3', '10.1.0.4'])
  })

  test('the slot of one that gave way is not taken again while its connections stand', () => {
    const { place, use, sweep } = open({ limit: 1 })
    const first = place('10.1.0.1')
    const second = place('10.1.0.2')
    expect(second.slot).not.toBe(first.slot)
    // No slot is left: the client is served, but not remembered.
    expect(place('10.1.0.3')).toEqual({ port: 2, slot: 0 })
    use.release(first.slot)
    sweep(0)
    expect(place('10.1.0.4').slot).toBe(first.slot)
  })

  test('one without connections ends with its time; with one it is put off, a minute at a time from then on', () => {
    const { place, use, clients, sweep } = open()
    use.release(place('10.1.0.1').slot)
    const { slot } = place('10.1.0.2')
    sweep(99_999)
    expect(clients(99_999)).toHaveLength(2)
    sweep(100_000)
    expect(clients(100_000)).toEqual(['10.1.0.2'])
    use.release(slot)
    use.release(place('10.1.0.2', 150_000).slot)
    sweep(209_999)
    expect(clients(209_999)).toEqual(['10.1.0.2'])
    sweep(210_000)
    expect(clients(210_000)).toEqual([])
  })

  test('one whose time is up leads nowhere, swept or not', () => {
    const { place, use, service } = open()
    const first = place('10.1.0.1')
    use.release(first.slot)
    expect(place('10.1.0.1', 100_001).port).not.toBe(first.port)
    expect(service.servers.map(({ persistent }) => persistent)).toEqual([0, 1])
  })

  test('one gives way to another server when its own was tried', () => {
    const { place, service } = open()
    expect(place('10.1.0.1').port).toBe(2)
    expect(place('10.1.0.1', 0, [2]).port).toBe(1)
    expect(place('10.1.0.1').port).toBe(1)
    expect(service.servers.map(({ persistent }) => persistent)).toEqual([0, 1])
  })

  test('a call of the engine sip is one client’s own', () => {
    const { templates, service } = open({ persistence: { ...eachClient, engine: 'sip' } })
    const place = (client: number, callId?: string): number | undefined => {
      const flow = { source: [client], sourcePort: 5, destination: [1], destinationPort: 80, atMs: 0 }
      return templates.place(service, flow, [], callId)?.port
    }
    expect([place(7, 'a'), place(8, 'a'), place(7, 'a'), place(8, 'a'), place(7)]).toEqual([2, 1, 2, 1, undefined])
  })

  const mask4 = fc.nat(0xffff_ffff).map((word) => [24, 16, 8, 0].map((shift) => (word >>> shift) & 255).join('.'))
  const address4 = mask4
  const prefix6 = fc.integer({ min: 1, max: 128 }).map(String)
  test('client networks are those of the rules, for any mask and prefix', () => {
    fc.assert(
      fc.property(fc.oneof(fc.tuple(address4, mask4), fc.tuple(fc.ipV6(), prefix6)), ([address, mask]) => {
        fc.pre(addressWords(address) !== undefined)
        const { place, clients } = open({ persistence: { timeoutSeconds: 100, mask } })
        place(address)
        expect(clients().map((text) => addressWords(text))).toEqual([addressWords(clientNetwork(address, { mask }))])
      }),
    )
  })
})
