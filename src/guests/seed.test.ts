import { describe, expect, test } from 'vitest'
import { findOnDisc } from '../wire/iso9660.ts'
import type { SeedContent } from './hypervisor.ts'
import { guestSeed, readSeed, seedDisc } from './seed.ts'

const mac = '52:54:00:01:02:03'
const user = { kind: 'user', forwards: [] } as const

async function fileOf(disc: Uint8Array, name: string): Promise<unknown> {
  const found = await findOnDisc(async (offset, length) => disc.subarray(offset, offset + length), name)
  if (found === undefined) return undefined
  const text = new TextDecoder().decode(disc.subarray(found.offset, found.offset + found.size))
  return text.startsWith('#') ? text : JSON.parse(text)
}

const seedOf = (content: SeedContent, name = 'web-1', network: Parameters<typeof seedDisc>[0]['network'] = user) =>
  seedDisc({ name, network }, content, mac)

async function idOf(disc: Uint8Array): Promise<unknown> {
  return ((await fileOf(disc, 'meta-data')) as Record<string, unknown>)['instance-id']
}

describe('a seed', () => {
  test('says who the guest is, and what it is to do', async () => {
    const disc = seedOf({ userData: '#!/bin/sh\ntrue\n', metaData: { 'public-keys': ['ssh-ed25519 A'] } })
    expect(await fileOf(disc, 'user-data')).toBe('#!/bin/sh\ntrue\n')
    expect(await fileOf(disc, 'meta-data')).toEqual({
      'instance-id': expect.stringMatching(/^web-1-[0-9a-f]{12}$/),
      'local-hostname': 'web-1',
      'public-keys': ['ssh-ed25519 A'],
    })
    expect(await fileOf(disc, 'network-config')).toBeUndefined()
  })

  test('cloud-init needs user data, be it empty', async () => {
    expect(await fileOf(seedOf({}), 'user-data')).toBe('#cloud-config\n{}\n')
  })

  test('a fixed address is set on the card that has the address on the wire; what is given goes before', async () => {
    const network = { kind: 'bridge', bridge: 'br0', address: '10.0.0.5/24', gateway: '10.0.0.1' } as const
    expect(await fileOf(seedOf({}, 'web-1', network), 'network-config')).toEqual({
      version: 2,
      ethernets: {
        first: {
          match: { macaddress: mac },
          addresses: ['10.0.0.5/24'],
          routes: [{ to: '0.0.0.0/0', via: '10.0.0.1' }],
        },
      },
    })
    const given = seedOf({ networkConfig: '{"version": 1}\n' }, 'web-1', network)
    expect(await fileOf(given, 'network-config')).toEqual({ version: 1 })
  })

  test('the instance stays while nothing changes, and is another one for another guest, content or address', async () => {
    const content = { userData: '#!/bin/sh\n' }
    expect(seedOf(content)).toEqual(seedOf(content))
    const at = (address: string) => ({ kind: 'bridge', bridge: 'br0', address }) as const
    const others = [
      seedOf(content),
      seedOf(content, 'web-2'),
      seedOf({ userData: '#!/bin/sh\n\n' }),
      seedOf(content, 'web-1', at('10.0.0.5/24')),
      seedOf(content, 'web-1', at('10.0.0.6/24')),
    ]
    const ids = await Promise.all(others.map(idOf))
    expect(new Set(ids).size).toBe(others.length)
  })

  test('what it says is read again, without what was one guest’s own', async () => {
    const content = { userData: '#!/bin/sh\n', metaData: { a: 1 }, networkConfig: '{"version": 2}\n' }
    expect(await readSeed(seedOf(content))).toEqual(content)
  })

  test('its digest is that of the content', () => {
    expect(guestSeed({ userData: 'a' }).digest).toBe(guestSeed({ userData: 'a' }).digest)
    expect(guestSeed({ userData: 'a' }).digest).not.toBe(guestSeed({ networkConfig: 'a' }).digest)
  })
})
