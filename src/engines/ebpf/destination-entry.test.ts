import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { bucketOf } from '../../lvs/schedulers/forgetting.ts'
import { decodeDestination, destinationOf, encodeReplicasKey, serversOfPiece } from './destination-entry.ts'
import { putAddress } from './encode.ts'
import { layouts, replicasPerPiece } from './layout.ts'

const uint32 = fc.integer({ min: 0, max: 0xffff_ffff })

function destinationKey(address: string, locality: number): Buffer {
  const key = Buffer.alloc(layouts.destination_key.bytes)
  putAddress(key, layouts.destination_key.at.address, address)
  key.writeUInt32LE(locality, layouts.destination_key.at.locality)
  return key
}

function destinationValue(over: {
  readonly lastUseNs?: bigint
  readonly server?: number
  readonly count?: number
}): Buffer {
  const { bytes, at } = layouts.destination
  const value = Buffer.alloc(bytes)
  value.writeBigUInt64LE(over.lastUseNs ?? 0n, at.last_use)
  value.writeUInt32LE(over.server ?? 0, at.server)
  value.writeUInt32LE(over.count ?? 0, at.count)
  return value
}

describe('what lblc and lblcr remember', () => {
  test('a destination is read, and is in the bucket that its address has in the kernel', () => {
    const key = destinationKey('10.60.0.7', 9)
    const entry = decodeDestination(key, destinationValue({ lastUseNs: 5_000_999_999n, server: 3 }))
    expect(entry).toMatchObject({ locality: 9, lastUseMs: 5000, server: 3 })
    expect(bucketOf(entry.address)).toBe(bucketOf([0x0a3c0007]))
    const ipv6 = decodeDestination(destinationKey('fd50::1:2', 9), destinationValue({}))
    expect(bucketOf(ipv6.address)).toBe(bucketOf([0xfd500000, 0, 0, 0x10002]))
  })

  test('a set of any size comes back from its pieces', () => {
    const set = fc.array(uint32, { maxLength: 3 * replicasPerPiece, size: 'max' })
    fc.assert(
      fc.property(set, (servers) => {
        const key = destinationKey('10.60.0.7', 9)
        const value = destinationValue({ count: servers.length })
        const found = [0, 1, 2, 3].flatMap((piece) => {
          const pieceKey = encodeReplicasKey(key, piece)
          expect(destinationOf(pieceKey)).toEqual(key)
          const bytes = Buffer.alloc(replicasPerPiece * layouts.replica.bytes, 0xee)
          for (const [index, server] of servers
            .slice(piece * replicasPerPiece, (piece + 1) * replicasPerPiece)
            .entries())
            bytes.writeUInt32LE(server, index * layouts.replica.bytes + layouts.replica.at.server)
          return serversOfPiece(pieceKey, bytes, value)
        })
        expect(found).toEqual(servers)
      }),
    )
  })
})
