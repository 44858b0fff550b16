/** The program tried out on packets made by hand: nothing is sent. */
import { type EbpfEngine, ebpfEngine } from '../../src/engines/ebpf/ebpf.ts'
import { testRun } from '../../src/os/bpf.ts'
import { listInterfaces } from '../../src/os/interfaces.ts'
import { enterNewNamespace, openBpfWorld, settleNeighbours } from './world.ts'

export const verdicts: Readonly<Record<number, string>> = { [-1]: 'pass', 0: 'stack', 2: 'drop', 7: 'send' }

export type Outcome = { readonly verdict: string; readonly frame: Buffer }

export type PacketWorld = AsyncDisposable & {
  readonly engine: EbpfEngine
  readonly namespace: string
  /** As if it came in from the wire, or with `out` as if the machine itself sent it. `segment`: bytes of GSO. */
  run(frame: Uint8Array, options?: { readonly hook?: 'in' | 'out'; readonly segment?: number }): Outcome
}

/** struct __sk_buff, as far as a test may set it. */
const context = { bytes: 192, ingressInterface: 36, interface: 40, gsoSize: 176 } as const

export async function openPacketWorld(servers: readonly number[] = [2, 3, 4, 5, 6, 7, 8, 9]): Promise<PacketWorld> {
  const world = await openBpfWorld()
  const namespace = await enterNewNamespace()
  await settleNeighbours(namespace.name, servers)
  const sizes = { connections: 8192, services: 256, servers: 8192, slots: 262_144 }
  const engine = await ebpfEngine({ ...world, sizes })
  const lan = listInterfaces().find(({ name }) => name === 'lan')?.index ?? 0
  return {
    engine,
    namespace: namespace.name,
    run(frame, { hook = 'in', segment = 0 } = {}) {
      const around = Buffer.alloc(context.bytes)
      around.writeUInt32LE(lan, context.interface)
      around.writeUInt32LE(segment, context.gsoSize)
      const { verdict, packet } = testRun(engine.program[hook], frame, around)
      return { verdict: verdicts[verdict] ?? String(verdict), frame: Buffer.from(packet) }
    },
    async [Symbol.asyncDispose]() {
      await engine[Symbol.asyncDispose]()
      await namespace[Symbol.asyncDispose]()
      await world[Symbol.asyncDispose]()
    },
  }
}
