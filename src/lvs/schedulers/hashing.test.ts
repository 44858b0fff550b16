import { describe, expect, test } from 'vitest'
import { buildFlow, type Scheduling, withWeights, words } from '../../../test/build/scheduling.ts'
import { fold, hash32 } from './fold.ts'
import { maglevSlot, maglevTable } from './maglev.ts'
import { sipHash13 as signedSipHash13 } from './siphash.ts'

const sipHash13 = (key: number, word: number): number => signedSipHash13(key, word) >>> 0

const tcp4 = { counts: 'none' } as const
const tcp6 = { counts: 'none', network: 'fd09::' } as const
/** fd09::2, ::3, ::5. */
function ipv6(name: 'sh' | 'mh'): Scheduling {
  const made = withWeights(name, [1, 1], tcp6)
  made.add(5, 1)
  return made
}

describe('hashes', () => {
  test.each([
    { word: 0, hash: 0x1d5a77c2 },
    { word: 1, hash: 0x16ec66b2 },
  ])('SipHash-1-3 of $word under the first key of mh is $hash', ({ word, hash }) => {
    expect(sipHash13(2_654_435_761, word)).toBe(hash)
    expect(maglevSlot(word, 4093)).toBe(hash % 4093)
  })

  test('a server hashes to the places where Linux was seen to put it', () => {
    const place = (address: string): number => fold(words(address)) + 80
    expect(sipHash13(2_654_435_761, place('10.9.0.2'))).toBe(0x839f230c)
    expect(maglevSlot(place('10.9.0.2'), 4093)).toBe(1411)
    expect(sipHash13(2_654_446_892, place('10.9.0.2'))).toBe(0x16f0dc92)
    expect((sipHash13(2_654_446_892, place('10.9.0.2')) % 4092) + 1).toBe(2615)
    expect(maglevSlot(place('10.9.0.3'), 4093)).toBe(1624)
    expect((sipHash13(2_654_446_892, place('10.9.0.3')) % 4092) + 1).toBe(3921)
  })

  test('SipHash-1-3 agrees with 64-bit arithmetic', () => {
    for (let at = 0; at < 500; at++) {
      const key = Math.imul(at, 0x9e3779b1) >>> 0
      const word = Math.imul(at + 7, 0x85ebca6b) >>> 0
      expect(sipHash13(key, word)).toBe(wideSipHash(BigInt(key), BigInt(word)))
    }
  })

  test('an address folds to one word, and that to a few bits', () => {
    expect(hash32(0x0a000001, 8)).toBe(39)
    expect(fold([1, 2, 4, 8])).toBe(15)
    expect(fold(words('192.0.2.1')) >>> 0).toBe(0xc0000201)
    expect(fold([5, 2, 4, 8], 1)).toBe(5)
  })
})

/** The same with whole 64-bit words. */
function wideSipHash(key: bigint, word: bigint): number {
  const mask = (1n << 64n) - 1n
  const rotated = (value: bigint, by: bigint): bigint => ((value << by) | (value >> (64n - by))) & mask
  let [v0, v1, v2, v3] = [0x736f6d6570736575n, 0x646f72616e646f6dn, 0x6c7967656e657261n, 0x7465646279746573n].map(
    (start) => start ^ key,
  ) as [bigint, bigint, bigint, bigint]
  const round = (): void => {
    v0 = (v0 + v1) & mask
    v1 = rotated(v1, 13n) ^ v0
    v0 = rotated(v0, 32n)
    v2 = (v2 + v3) & mask
    v3 = rotated(v3, 16n) ^ v2
    v0 = (v0 + v3) & mask
    v3 = rotated(v3, 21n) ^ v0
    v2 = (v2 + v1) & mask
    v1 = rotated(v1, 17n) ^ v2
    v2 = rotated(v2, 32n)
  }
  const block = (4n << 56n) | word
  v3 ^= block
  round()
  v0 ^= block
  v2 ^= 0xffn
  for (let at = 0; at < 3; at++) round()
  return Number((v0 ^ v1 ^ v2 ^ v3) & 0xffff_ffffn)
}

describe('clients go where Linux was seen to send them', () => {
  test.each([
    { client: '198.33.113.57', server: 3 },
    { client: '112.192.255.6', server: 3 },
    { client: '121.119.187.84', server: 2 },
    { client: '21.186.152.90', server: 4 },
  ])('sh: $client to $server', ({ client, server }) => {
    expect(withWeights('sh', [1, 1, 1], tcp4).pick(buildFlow({ source: client }))).toBe(server)
  })

  test.each([
    { client: '23.204.47.155', port: 4411, server: 3 },
    { client: '161.50.61.158', port: 10_362, server: 3 },
    { client: '184.2.187.114', port: 53_876, server: 2 },
    { client: '121.143.98.209', port: 6858, server: 4 },
  ])('sh with sh-port: $client:$port to $server', ({ client, port, server }) => {
    const sh = withWeights('sh', [1, 1, 1], { ...tcp4, flags: ['sh-port'] })
    expect(sh.pick(buildFlow({ source: client, sourcePort: port }))).toBe(server)
  })

  test.each([
    { client: '2001:db8:d4a1:ac0:441e:aaee:b4b4:8efa', server: 2 },
    { client: '2001:db8:b1f:abd:80e9:98a3:5aba:5ea0', server: 3 },
    { client: '2001:db8:bd87:99c1:350d:439e:7189:7aa7', server: 5 },
  ])('sh: $client to fd09::$server', ({ client, server }) => {
    expect(ipv6('sh').pick(buildFlow({ source: client }))).toBe(server)
  })

  test.each([
    { client: '50.108.192.132', server: 4 },
    { client: '167.72.66.57', server: 4 },
    { client: '123.151.10.177', server: 4 },
    { client: '37.53.65.19', server: 2 },
  ])('mh: $client to $server', ({ client, server }) => {
    expect(withWeights('mh', [1, 1, 1], tcp4).pick(buildFlow({ source: client }))).toBe(server)
  })

  test.each([
    { client: '93.70.147.104', port: 8835, server: 4 },
    { client: '85.254.187.52', port: 50_493, server: 3 },
    { client: '71.157.124.248', port: 64_639, server: 2 },
    { client: '113.65.115.115', port: 29_339, server: 3 },
  ])('mh with mh-port: $client:$port to $server', ({ client, port, server }) => {
    const mh = withWeights('mh', [1, 1, 1], { ...tcp4, flags: ['mh-port'] })
    expect(mh.pick(buildFlow({ source: client, sourcePort: port }))).toBe(server)
  })

  test.each([
    { client: '2001:db8:1b45:15f5:8a7e:b5aa:cee5:23b4', server: 2 },
    { client: '2001:db8:fe39:4d8a:3339:395e:60d5:c841', server: 5 },
  ])('mh: $client to fd09::$server', ({ client, server }) => {
    expect(ipv6('mh').pick(buildFlow({ source: client }))).toBe(server)
  })

  test.each([
    { destination: '10.60.253.155', server: 4 },
    { destination: '10.60.26.34', server: 2 },
    { destination: '10.60.212.136', server: 3 },
    { destination: '10.60.100.87', server: 2 },
    { destination: '10.60.43.215', server: 4 },
  ])('dh: $destination to $server', ({ destination, server }) => {
    expect(withWeights('dh', [1, 1, 1], tcp4).pick(buildFlow({ destination }))).toBe(server)
  })
})

describe('clients of drained servers fall back to where Linux was seen to send them', () => {
  const mh = { name: 'mh', flags: ['mh-fallback'], weights: [1, 1, 1], drained: [3] } as const
  const mhPort = { name: 'mh', flags: ['mh-fallback', 'mh-port'], weights: [1, 1, 1, 1], drained: [3, 4] } as const
  const sh = { name: 'sh', flags: ['sh-fallback'], weights: [1, 1, 1], drained: [3] } as const
  const shPort = { name: 'sh', flags: ['sh-fallback', 'sh-port'], weights: [5, 1, 3], drained: [4] } as const
  test.each([
    { how: mh, client: '166.127.6.188', port: 15_227, server: 4 },
    { how: mh, client: '124.143.93.235', port: 57_873, server: 2 },
    { how: mh, client: '21.107.110.246', port: 11_893, server: 2 },
    { how: mhPort, client: '112.75.174.71', port: 61_592, server: 5 },
    { how: mhPort, client: '199.47.159.176', port: 21_785, server: 2 },
    { how: mhPort, client: '183.16.252.86', port: 55_971, server: 5 },
    { how: mhPort, client: '125.54.86.112', port: 25_468, server: 5 },
    { how: mhPort, client: '140.206.75.29', port: 25_731, server: 2 },
    { how: mhPort, client: '160.184.32.202', port: 53_135, server: 2 },
    { how: sh, client: '191.213.87.158', port: 52_166, server: 2 },
    { how: sh, client: '54.46.179.211', port: 59_578, server: 2 },
    { how: shPort, client: '146.149.245.249', port: 47_443, server: 3 },
    { how: shPort, client: '117.196.81.153', port: 39_949, server: 3 },
    { how: shPort, client: '25.163.157.126', port: 61_942, server: 3 },
    { how: shPort, client: '155.13.237.90', port: 24_685, server: 2 },
  ])('$how.flags: $client:$port to $server', ({ how, client, port, server }) => {
    const flow = buildFlow({ source: client, sourcePort: port })
    const plain = withWeights(how.name, how.weights, { ...tcp4, flags: how.flags.slice(1) })
    const falling = withWeights(how.name, how.weights, { ...tcp4, flags: how.flags })
    for (const made of [plain, falling]) for (const drained of how.drained) made.edit(drained, 0)
    expect(plain.pick(flow)).toBe('none')
    expect(falling.pick(flow)).toBe(server)
  })
})

const clients = Array.from({ length: 2000 }, (_, at) => buildFlow({ source: `100.64.${at >> 8}.${at & 255}` }))
const placed = (made: Scheduling): (number | 'none')[] => clients.map((client) => made.pick(client))

describe('sh and dh', () => {
  test('sh refuses the clients of a server that is drained or overloaded; the others stay', () => {
    const sh = withWeights('sh', [1, 1, 1], tcp4)
    const before = placed(sh)
    sh.set(3, { overloaded: true })
    expect(placed(sh)).toEqual(before.map((server) => (server === 3 ? 'none' : server)))
    sh.set(3, { overloaded: false })
    // The slots are the same: weight 0 owns one, as weight 1 does.
    sh.edit(3, 0)
    expect(placed(sh)).toEqual(before.map((server) => (server === 3 ? 'none' : server)))
  })

  test('sh with sh-fallback moves just those, and only to usable servers', () => {
    const sh = withWeights('sh', [1, 1, 1], { ...tcp4, flags: ['sh-fallback'] })
    const before = placed(sh)
    sh.edit(3, 0)
    const after = placed(sh)
    expect(after).not.toContain(3)
    expect(after).not.toContain('none')
    before.forEach((server, at) => {
      if (server !== 3) expect(after[at]).toBe(server)
    })
  })

  test('sh-fallback begins its search at twice the slot', () => {
    const sh = withWeights('sh', [1, 1, 1, 1, 1], { ...tcp4, flags: ['sh-fallback'] })
    const order = [6, 5, 4, 3, 2]
    // 10.0.0.1 hashes to 39, as the kernel's own hash does.
    const client = buildFlow({ source: '10.0.0.1' })
    expect(sh.pick(client)).toBe(order[39 % 5])
    sh.edit(order[39 % 5] ?? 0, 0)
    expect(sh.pick(client)).toBe(order[78 % 5])
    sh.edit(order[78 % 5] ?? 0, 0)
    expect(sh.pick(client)).toBe(order[80 % 5])
  })

  test('sh gives each weight its number of slots in a row, 256 in all', () => {
    const sh = withWeights('sh', [3, 1, 2], tcp4)
    const shares = [2, 3, 4].map((server) => placed(sh).filter((picked) => picked === server).length / clients.length)
    expect(shares[0]).toBeCloseTo(3 / 6, 1)
    expect(shares[1]).toBeCloseTo(1 / 6, 1)
    expect(shares[2]).toBeCloseTo(2 / 6, 1)
  })

  test('dh spreads over the list whatever the weights, and refuses what a drained server would get', () => {
    const dh = withWeights('dh', [1, 1, 1], tcp4)
    const flows = clients.map((_, at) => buildFlow({ destination: `10.60.${at >> 8}.${at & 255}` }))
    const before = flows.map((flow) => dh.pick(flow))
    dh.edit(2, 100)
    expect(flows.map((flow) => dh.pick(flow))).toEqual(before)
    dh.edit(4, 0)
    expect(flows.map((flow) => dh.pick(flow))).toEqual(before.map((server) => (server === 4 ? 'none' : server)))
  })
})

describe('mh', () => {
  const slots = (made: Scheduling): Record<number, number> => {
    const table = maglevTable(made.list, 1)
    const count: Record<number, number> = {}
    for (const { name } of made.list) count[name] = 0
    for (const at of table) {
      const name = made.list[at]?.name ?? 0
      count[name] = (count[name] ?? 0) + 1
    }
    return count
  }

  test.each([
    { weights: [1, 1, 1], expected: { 4: 1365, 3: 1364, 2: 1364 } },
    { weights: [5, 1, 3], expected: { 4: 1365, 3: 455, 2: 2273 } },
    { weights: [200, 100, 0], expected: { 4: 0, 3: 1365, 2: 2728 } },
  ])('weights $weights own $expected slots', ({ weights, expected }) => {
    expect(slots(withWeights('mh', weights, tcp4))).toEqual(expected)
  })

  test('far-apart weights are cut to six bits, and every weight has a turn', () => {
    const made = withWeights('mh', [1000, 100, 1], tcp4)
    const { 2: thousand = 0, 3: hundred = 0, 4: one = 0 } = slots(made)
    // 1000 needs ten bits, so four are cut: 62, 6 and at least 1. The last turn is not a whole one.
    expect(thousand / one).toBeGreaterThan(60)
    expect(thousand / one).toBeLessThan(63)
    expect(hundred / one).toBe(6)
  })

  test('a drained server still counts in what the weights have in common', () => {
    const made = withWeights('mh', [3, 2], tcp4)
    const before = slots(made)
    made.edit(3, 0)
    expect(slots(made)).toEqual(before)
  })

  test('a drained server keeps its slots: its clients are refused, or with mh-fallback moved', () => {
    const [plain, falling] = [[], ['mh-fallback']].map((flags) => withWeights('mh', [1, 1, 1], { ...tcp4, flags })) as [
      Scheduling,
      Scheduling,
    ]
    const before = placed(plain)
    for (const made of [plain, falling]) made.edit(3, 0)
    expect(placed(plain)).toEqual(before.map((server) => (server === 3 ? 'none' : server)))
    const after = placed(falling)
    expect([...new Set(after)].sort()).toEqual([2, 4])
    before.forEach((server, at) => {
      if (server !== 3) expect(after[at]).toBe(server)
    })
    plain.edit(3, 1)
    expect(placed(plain)).toEqual(before)
  })

  test('when a server comes, few others lose or gain clients between them', () => {
    const mh = withWeights('mh', Array<number>(20).fill(1), tcp4)
    const before = placed(mh)
    mh.add(100, 1)
    const after = placed(mh)
    const moved = before.filter((server, at) => after[at] !== server && after[at] !== 100).length
    expect(moved / clients.length).toBeLessThan(0.05)
  })

  test('more servers than the default table has slots get the largest table', () => {
    const mh = withWeights('mh', Array<number>(5000).fill(1), { ...tcp4, network: 'fd09::' })
    const table = maglevTable(mh.list, 4)
    expect(table.length).toBe(131_071)
    expect(new Set(table).size).toBe(5000)
    expect(table).not.toContain(-1)
  })

  test('without a weight there is no table', () => {
    expect(maglevTable(withWeights('mh', [0, 0], tcp4).list, 1).length).toBe(0)
    expect(maglevTable([], 1).length).toBe(0)
  })
})
