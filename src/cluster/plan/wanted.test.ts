import { describe, expect, test } from 'vitest'
import { buildCheck, buildService } from '../../../test/build/services.ts'
import { buildPool, buildServiceSpec, buildSpec } from '../../../test/build/spec.ts'
import type { GuestReach, GuestState } from '../../guests/hypervisor.ts'
import { guestDefinition } from '../apply/definition.ts'
import type { ClusterSpec, ServiceSpec } from '../spec/model.ts'
import { unreachedServers, wantedGuests, wantedServices } from './wanted.ts'

const udp = buildService({ id: { kind: 'address', protocol: 'udp', address: '127.0.0.1', port: 53 } })

function specWith(service: Partial<ServiceSpec>): ClusterSpec {
  return buildSpec({ guests: [buildPool('web', { count: 1 })], services: [buildServiceSpec('www', service)] })
}

/** The one guest, reached at these ports; `address`: on a bridge, at its own. */
function guestOf(spec: ClusterSpec, reach: readonly GuestReach[], address?: string): Map<string, GuestState> {
  const guest = wantedGuests(spec).get('web-1')?.guest
  if (guest === undefined) throw new Error('no web-1')
  const definition = guestDefinition(guest, { digest: 'd', kernel: '/k' })
  return new Map([['web-1', { definition, state: 'running', reach, ...(address === undefined ? {} : { address }) }]])
}

const way = (protocol: 'tcp' | 'udp', guestPort: number, port: number): GuestReach => ({
  protocol,
  guestPort,
  address: '127.0.0.1',
  port,
})

const servers: ServiceSpec['servers'] = [{ kind: 'guests', guests: 'web', port: 53, weight: 1 }]

describe('a spec, expanded', () => {
  test.each<{ name: string; service: Partial<ServiceSpec>; forwards: string[] }>([
    { name: 'a service', service: { servers }, forwards: ['53/tcp'] },
    {
      name: 'a check on another port',
      service: { servers, checks: [buildCheck({ port: 8080 })] },
      forwards: ['53/tcp', '8080/tcp'],
    },
    {
      name: 'a check beside udp',
      service: { service: udp, servers, checks: [buildCheck()] },
      forwards: ['53/tcp', '53/udp'],
    },
  ])('forwards what $name needs', ({ service, forwards }) => {
    const network = wantedGuests(specWith(service)).get('web-1')?.guest.network
    const ports = network?.kind === 'user' ? network.forwards.map(({ port, protocol }) => `${port}/${protocol}`) : []
    expect(ports).toEqual(forwards)
  })

  test.each<{ name: string; service: Partial<ServiceSpec>; reach: GuestReach[]; address?: string; server: object }>([
    {
      name: 'a check at the server itself',
      service: { servers },
      reach: [way('tcp', 53, 20001)],
      server: { port: 20001 },
    },
    {
      name: 'a check on another port of a forwarded guest',
      service: { servers, checks: [buildCheck({ port: 8080 })] },
      reach: [way('tcp', 53, 20001), way('tcp', 8080, 20002)],
      server: { port: 20001, checkPorts: { 8080: 20002 } },
    },
    {
      name: 'a check that names the very port of a forwarded guest',
      service: { servers, checks: [buildCheck({ port: 53 })] },
      reach: [way('tcp', 53, 20001)],
      server: { port: 20001, checkPorts: { 53: 20001 } },
    },
    {
      name: 'a check of a udp server of a forwarded guest',
      service: { service: udp, servers, checks: [buildCheck()] },
      reach: [way('tcp', 53, 20001), way('udp', 53, 20002)],
      server: { port: 20002, checkPorts: { 53: 20001 } },
    },
    {
      name: 'a check on another port of a guest with an address',
      service: { servers, checks: [buildCheck({ port: 8080 })] },
      reach: [],
      address: '10.0.0.7',
      server: { address: '10.0.0.7', port: 53 },
    },
  ])('$name goes where it is reached', ({ service, reach, address, server }) => {
    const spec = specWith(service)
    const resolved = wantedServices(spec, guestOf(spec, reach, address), undefined)
    expect(resolved.services[0]?.servers).toEqual([
      {
        address: '127.0.0.1',
        forwarding: 'masq',
        weight: 1,
        upperThreshold: 0,
        lowerThreshold: 0,
        guest: 'web-1',
        guestPort: 53,
        ...server,
      },
    ])
    expect(unreachedServers(spec, resolved)).toEqual([])
    // While it is down, all of it stays.
    expect(wantedServices(spec, new Map(), resolved)).toEqual(resolved)
  })

  test('what a service does about health goes with it, and so do checks of its servers and the directory', () => {
    const own = buildCheck({ port: 9000 })
    const more = {
      panicPercent: 40,
      slowStartMs: 1000,
      fallbackCommand: 'page',
      fallback: { address: '10.0.0.1', port: 9 },
    }
    const two: ServiceSpec['servers'] = [
      { kind: 'guests', guests: 'web', port: 53, weight: 1, checks: [own] },
      { kind: 'address', endpoint: { address: '10.0.0.2', port: 53 }, weight: 1, checks: [] },
    ]
    const spec = specWith({ servers: two, ...more })
    const directed = { ...spec, directors: { ...spec.directors, maintenance: '/srv/maintenance' } }
    const reach = [way('tcp', 53, 20001), way('tcp', 9000, 20003)]
    const resolved = wantedServices(directed, guestOf(spec, reach), undefined)
    expect(resolved.maintenance).toBe('/srv/maintenance')
    expect(resolved.services[0]).toMatchObject(more)
    expect(resolved.services[0]?.servers).toMatchObject([
      { port: 20001, checks: [own], checkPorts: { 9000: 20003 } },
      { address: '10.0.0.2', checks: [] },
    ])
    expect(wantedGuests(spec).get('web-1')?.guest.network).toEqual({
      kind: 'user',
      forwards: [
        { protocol: 'tcp', port: 53 },
        { protocol: 'tcp', port: 9000 },
      ],
    })
  })

  test('a guest that is reached nowhere is no server, and is named', () => {
    const spec = specWith({ servers })
    const resolved = wantedServices(spec, guestOf(spec, []), undefined)
    expect(resolved.services[0]?.servers).toEqual([])
    expect(unreachedServers(spec, resolved)).toEqual([{ service: 'www', guest: 'web-1', port: 53 }])
  })
})
