/** Datagrams that are meant to do harm: random ones, and advertisements that were changed on the way. From a seed. */
import type { Arrival } from '../../src/vrrp/machine/receive.ts'
import { encodeVrrp } from '../../src/wire/vrrp.ts'
import { type Random, seededRandom } from '../ipvs/random/chance.ts'

const group = '224.0.0.18'
export const victim = { id: 51, addresses: ['10.99.0.100'] } as const

/** One after the other, without end. */
export function* hostileArrivals(seed: number): Generator<Arrival> {
  const random = seededRandom(seed)
  for (;;) {
    const source = random.chance(0.5)
      ? '10.99.0.2'
      : `10.${random.below(256)}.${random.below(256)}.${random.below(256)}`
    const payload = random.chance(0.5) ? randomBytes(random) : changed(random, valid(random, source))
    const destination = random.chance(0.9) ? group : source
    const hops = random.chance(0.9) ? 255 : random.below(256)
    yield { path: 0, source, destination, hops, payload, own: '10.99.0.1' }
  }
}

/** Its second byte is the id: others never come as far. */
function randomBytes(random: Random): Uint8Array {
  const bytes = Uint8Array.from({ length: random.below(100) }, () => random.below(256))
  if (bytes.length > 1) bytes[1] = victim.id
  return bytes
}

function valid(random: Random, source: string): Uint8Array {
  const common = { id: victim.id, priority: random.below(256), addresses: victim.addresses }
  const packet = random.chance(0.7)
    ? ({ version: 3, intervalMs: 1000, ...common } as const)
    : ({ version: 2, intervalMs: 1000, authentication: { kind: 'none' }, ...common } as const)
  return encodeVrrp(packet, source, group, random.pick(['rfc5798', 'rfc9568']))
}

/** Bits turned, bytes lost or added. */
function changed(random: Random, bytes: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(bytes)
  for (let times = 1 + random.below(4); times > 0; times--) {
    const at = random.below(copy.length)
    if (at !== 1) copy[at] = (copy[at] ?? 0) ^ (1 << random.below(8))
  }
  if (random.chance(0.2)) return copy.subarray(0, random.below(copy.length))
  return random.chance(0.2) ? Uint8Array.from([...copy, ...randomBytes(random)]) : copy
}
