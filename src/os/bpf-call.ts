/** bpf(2) itself: attributes are packed by hand, as uapi/linux/bpf.h has them. */
import { InfraError } from '../errors.ts'
import { koffi, libc } from './libc.ts'
import { addressOf, type Pinned, pinned } from './sockets.ts'

export const commands = {
  mapCreate: 0, mapLookup: 1, mapUpdate: 2, mapDelete: 3, pin: 6, get: 7, testRun: 10, infoByFd: 15,
  mapLookupBatch: 24, mapUpdateBatch: 26, linkCreate: 28, linkUpdate: 29, linkDetach: 34,
} as const // biome-ignore format: a list to read at a glance

const numbers: Readonly<Record<string, number>> = { x64: 321, arm64: 280 }
export const attributeBytes = 128

export const ENOENT = 2
export const E2BIG = 7
export const EEXIST = 17
export const ENOSPC = 28

type Calls = {
  readonly syscall: {
    (number: number, command: number, attributes: number, bytes: number): number
    async(
      number: number,
      command: number,
      attributes: number,
      bytes: number,
      done: (error: unknown, result: number) => void,
    ): void
  }
  readonly close: (fd: number) => number
}
let calls: Calls | undefined

function load(): Calls {
  calls ??= {
    syscall: libc().func('long syscall(long, long, int64_t, long)') as Calls['syscall'],
    close: libc().func('int close(int)') as Calls['close'],
  }
  return calls
}

/** One attribute block for all calls: they are made one after the other, and none keeps it. */
const attributes = pinned(attributeBytes)
export const attribute = attributes.bytes

/** The result, or the negated errno. `fill` writes into `attribute`, which is zeroed before. */
export function bpfCall(command: number, fill: (attribute: Buffer) => void): number {
  const { syscall } = load()
  attribute.fill(0)
  fill(attribute)
  const result = syscall(callNumber(), command, attributes.address, attributeBytes)
  return result < 0 ? -koffi().errno() : result
}

/**
 * As `bpfCall`, made on another thread, with an attribute block that is the caller's alone meanwhile. A failure is -1: its
 * errno stays with that thread.
 */
export async function bpfCallAside(command: number, block: Pinned): Promise<number> {
  const { syscall } = load()
  return await new Promise((resolve, reject) => {
    syscall.async(callNumber(), command, block.address, attributeBytes, (error: unknown, result: number) => {
      if (error instanceof Error) reject(error)
      else resolve(result)
    })
  })
}

function callNumber(): number {
  const number = numbers[process.arch]
  if (number === undefined) throw new InfraError('unsupported', `bpf(2) on ${process.arch}`, { subject: 'eBPF' })
  return number
}

export function closeFd(fd: number): void {
  load().close(fd)
}

export function putAddress(target: Buffer, at: number, bytes: Uint8Array): void {
  target.writeBigUInt64LE(BigInt(addressOf(bytes)), at)
}

/** Memory of its own, which the kernel may be given the address of. */
export function steady(bytes: Uint8Array): Buffer {
  const copy = Buffer.allocUnsafeSlow(Math.max(bytes.length, 1))
  copy.set(bytes)
  return copy
}
