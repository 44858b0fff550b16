/** Entries of the maps `destinations` and `replicas`: what lblc and lblcr remember of one address. Pure. */
import type { AddressWords } from '../../lvs/schedulers/scheduler.ts'
import { layouts, replicasPerPiece } from './layout.ts'

export type DestinationEntry = {
  readonly key: Buffer
  readonly locality: number
  /** As `bucketOf` has it; an IPv4 address is the first of four words, which changes nothing there. */
  readonly address: AddressWords
  /** CLOCK_MONOTONIC. */
  readonly lastUseMs: number
  /** Of lblc: the slot of its server. */
  readonly server: number
}

const words = 4

export function decodeDestination(key: Buffer, value: Buffer): DestinationEntry {
  return {
    key,
    locality: key.readUInt32LE(layouts.destination_key.at.locality),
    address: Array.from({ length: words }, (_, word) => key.readInt32BE(layouts.destination_key.at.address + 4 * word)),
    lastUseMs: Number(value.readBigUInt64LE(layouts.destination.at.last_use) / 1_000_000n),
    server: value.readUInt32LE(layouts.destination.at.server),
  }
}

/** Of the piece with that number of the destination's set. */
export function encodeReplicasKey(destination: Uint8Array, piece: number): Buffer {
  const { bytes, at } = layouts.replicas_key
  const key = Buffer.alloc(bytes)
  key.set(destination, at.destination)
  key.writeUInt32LE(piece, at.piece)
  return key
}

export function destinationOf(replicasKey: Buffer): Buffer {
  return replicasKey.subarray(0, layouts.destination_key.bytes)
}

/** Slots of the servers in a piece of a set; `destination` says how many there are in all pieces. */
export function serversOfPiece(key: Buffer, piece: Buffer, destination: Buffer): number[] {
  const { bytes, at } = layouts.replica
  const before = key.readUInt32LE(layouts.replicas_key.at.piece) * replicasPerPiece
  const count = Math.min(destination.readUInt32LE(layouts.destination.at.count) - before, replicasPerPiece)
  return Array.from({ length: Math.max(count, 0) }, (_, index) => piece.readUInt32LE(index * bytes + at.server))
}
