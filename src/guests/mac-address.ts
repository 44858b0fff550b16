/** Ethernet addresses of guests’ network cards, in the ranges that the field gives them. */
import { createHash, randomBytes } from 'node:crypto'
import type { GuestDefinition } from './hypervisor.ts'

const ranges = { qemu: '52:54:00', xen: '00:16:3e' } as const
type Range = keyof typeof ranges

/** Comes from cluster and name: it stays, and like names on a LAN differ. */
export function macOfGuest(range: Range, { name, mark }: Pick<GuestDefinition, 'name' | 'mark'>): string {
  const text = mark === undefined ? name : `${mark.cluster}/${name}`
  return inRange(range, createHash('sha256').update(text).digest())
}

export function randomMac(range: Range): string {
  return inRange(range, randomBytes(3))
}

function inRange(range: Range, bytes: Buffer): string {
  return [ranges[range], ...[...bytes.subarray(0, 3)].map((byte) => byte.toString(16).padStart(2, '0'))].join(':')
}
