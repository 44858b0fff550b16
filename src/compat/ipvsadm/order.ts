/** The order of listings: as Linux keeps its tables, and as ipvsadm 1.31 sorts them. */
import type { ServiceSnapshot } from '../../engines/engine.ts'
import { addressNumber } from '../../lvs/address.ts'
import { type Endpoint, familyOf, type Protocol, type ServiceId } from '../../lvs/service.ts'

const protocolNumber: Readonly<Record<Protocol, number>> = { tcp: 6, udp: 17, sctp: 132 }

/** Linux mixes an address of its own memory in, which differs from boot to boot; here all boots are alike. */
const salt = 0x50

/**
 * As `--nosort` shows them: services with addresses by hash bucket, then firewall marks by theirs, in each the newest
 * first (ip_vs_ctl.c, ip_vs_svc_hashkey). `services` are given in the order in which they were added; those that have no
 * such key are left out.
 */
export function inKernelOrder(services: readonly ServiceSnapshot[]): ServiceSnapshot[] {
  const keyed = services.flatMap((snapshot) => {
    const bucket = bucketOf(snapshot.service.id)
    return bucket === undefined ? [] : [{ snapshot, bucket }]
  })
  return keyed
    .toReversed()
    .sort((a, b) => a.bucket - b.bucket)
    .map(({ snapshot }) => snapshot)
}

function bucketOf(id: ServiceId): number | undefined {
  if (id.kind === 'fwmark') return 256 + ((id.mark ^ salt) & 255)
  if (id.kind !== 'address') return undefined
  const fold = addressWords(id.address).reduce((all, word) => all ^ word, 0)
  return (protocolNumber[id.protocol] ^ fold ^ (id.port >> 8) ^ id.port ^ salt) & 255
}

/** One word for IPv4, four for IPv6. */
function addressWords(address: string): number[] {
  const number = addressNumber(address) ?? 0n
  const shifts = familyOf(address) === 'ipv6' ? [96n, 64n, 32n, 0n] : [0n]
  return shifts.map((shift) => Number((number >> shift) & 0xffff_ffffn))
}

/** By mark, family, protocol, address and port. */
export function sortServices(services: readonly ServiceSnapshot[]): ServiceSnapshot[] {
  return sortByKeys(services, ({ service: { id } }) => serviceKeys(id), compareKeys)
}

/** By address, then port. */
export function sortServers<T extends Endpoint>(servers: readonly T[]): T[] {
  return sortByKeys(
    servers,
    ({ address, port }) => ({ words: addressWords(address), port }),
    (a, b) => compareKeys(a.words, b.words) || a.port - b.port,
  )
}

function serviceKeys(id: ServiceId): number[] {
  switch (id.kind) {
    case 'address': {
      const words = addressWords(id.address)
      return [0, words.length, protocolNumber[id.protocol], ...words, id.port]
    }
    case 'fwmark':
      return [id.mark, id.family === 'ipv6' ? 4 : 1, protocolNumber.tcp, 0]
    case 'dns':
    case 'pool':
      return []
  }
}

/**
 * ipvsadm takes the difference of two words for a signed number of 32 bits, so that far numbers compare the wrong way
 * round. As many words as the left one has.
 */
function compareKeys(a: readonly number[], b: readonly number[]): number {
  for (const [index, word] of a.entries()) {
    const difference = (word - (b[index] ?? 0)) | 0
    if (difference !== 0) return difference
  }
  return 0
}

function sortByKeys<T, K>(items: readonly T[], keysOf: (item: T) => K, compare: (a: K, b: K) => number): T[] {
  const keyed = items.map((item) => ({ item, keys: keysOf(item) }))
  return mergeSort(keyed, (a, b) => compare(a.keys, b.keys)).map(({ item }) => item)
}

/** Top-down, stable. The comparison is not transitive, so that another way of sorting would give another order. */
function mergeSort<T>(items: readonly T[], compare: (a: T, b: T) => number): readonly T[] {
  if (items.length < 2) return items
  const half = items.length >> 1
  const left = mergeSort(items.slice(0, half), compare)
  const right = mergeSort(items.slice(half), compare)
  const merged: T[] = []
  let at = 0
  let to = 0
  for (;;) {
    const a = left[at]
    const b = right[to]
    if (a === undefined) return [...merged, ...right.slice(to)]
    if (b === undefined) return [...merged, ...left.slice(at)]
    if (compare(a, b) <= 0) {
      merged.push(a)
      at++
    } else {
      merged.push(b)
      to++
    }
  }
}
