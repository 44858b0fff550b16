/** The program tried out on packets made by hand: nothing is sent. */
import { type EbpfEngine, type EbpfOptions, ebpfEngine } from '../../src/engines/ebpf/ebpf.ts'
import { layouts } from '../../src/engines/ebpf/layout.ts'
import { testRun } from '../../src/os/bpf.ts'
import { attribute, bpfCall, putAddress } from '../../src/os/bpf-call.ts'
import { listInterfaces } from '../../src/os/interfaces.ts'
import { enterNewNamespace, openBpfWorld, settleNeighbours } from './world.ts'

export const verdicts: Readonly<Record<number, string>> = { [-1]: 'pass', 0: 'stack', 2: 'drop', 7: 'send' }

export type Outcome = { readonly verdict: string; readonly frame: Buffer }

export type PacketWorld = AsyncDisposable & {
  readonly engine: EbpfEngine
  readonly namespace: string
  /** Nanoseconds that the program took. */
  cost(frame: Uint8Array, repeat?: number): number
  /** Another director in the same place, after `engine.release()`; or beside it. */
  again(over?: EbpfOptions): Promise<EbpfEngine>
  /** As if it came in from the wire, or with `out` as if the machine itself sent it. `segment`: bytes of GSO. */
  run(
    frame: Uint8Array,
    options?: { readonly hook?: 'in' | 'out' | 'steered'; readonly segment?: number; readonly mark?: number },
  ): Outcome
  /** As if it came in from the wire, at an interface whose driver runs the program (`xdp: 'native'`). */
  runAhead(frame: Uint8Array): Outcome
  /** As if the time of all persistence templates were up. */
  outlastTemplates(): void
}

/** struct __sk_buff, as far as a test may set it. */
const context = { bytes: 192, mark: 8, ingressInterface: 36, interface: 40, gsoSize: 176 } as const

/** struct xdp_md. */
const xdpContext = { bytes: 24, end: 4, interface: 12 } as const
const xdpVerdicts: Readonly<Record<number, string>> = { 1: 'drop', 2: 'pass', 3: 'back', 4: 'send' }

export async function openPacketWorld(options: EbpfOptions = {}): Promise<PacketWorld> {
  const world = await openBpfWorld()
  const namespace = await enterNewNamespace()
  await settleNeighbours(namespace.name, [2, 3, 4, 5, 6, 7, 8, 9])
  const limits = { connections: 8192, templates: 4096, services: 256, servers: 8192, 'table-entries': 262_144 }
  let engine = await ebpfEngine({ ...world, ...options, limits: { ...limits, ...options.limits } })
  const lan = listInterfaces().find(({ name }) => name === 'lan')?.index ?? 0
  return {
    get engine() {
      return engine
    },
    again: async (over = {}) => {
      engine = await ebpfEngine({
        ...world,
        ...options,
        ...over,
        limits: { ...limits, ...options.limits, ...over.limits },
      })
      return engine
    },
    namespace: namespace.name,
    cost(frame, repeat) {
      const around = Buffer.alloc(context.bytes)
      around.writeUInt32LE(lan, context.interface)
      return testRun(engine.program.in, frame, around, repeat).nanoseconds
    },
    run(frame, { hook = 'in', segment = 0, mark = 0 } = {}) {
      const around = Buffer.alloc(context.bytes)
      around.writeUInt32LE(lan, context.interface)
      around.writeUInt32LE(segment, context.gsoSize)
      around.writeUInt32LE(mark, context.mark)
      const { verdict, packet } = testRun(engine.program[hook], frame, around)
      return { verdict: verdicts[verdict] ?? String(verdict), frame: Buffer.from(packet) }
    },
    runAhead(frame) {
      const around = Buffer.alloc(xdpContext.bytes)
      around.writeUInt32LE(frame.length, xdpContext.end)
      around.writeUInt32LE(lan, xdpContext.interface)
      const { verdict, packet } = testRun(engine.program.ahead, frame, around)
      return { verdict: xdpVerdicts[verdict] ?? String(verdict), frame: Buffer.from(packet) }
    },
    outlastTemplates() {
      const { templates } = engine.program.maps
      const { keyBytes, valueBytes, maxEntries } = templates.info
      const page = templates.page(undefined, maxEntries)
      for (let index = 0; index < page.count; index++) {
        const template = page.values.subarray(index * valueBytes, (index + 1) * valueBytes)
        template.writeBigUInt64LE(0n, layouts.template.at.expires)
        templates.update(page.keys.subarray(index * keyBytes, (index + 1) * keyBytes), template)
      }
    },
    async [Symbol.asyncDispose]() {
      await engine[Symbol.asyncDispose]()
      await namespace[Symbol.asyncDispose]()
      await world[Symbol.asyncDispose]()
    },
  }
}

const progQuery = 16
const tcxIngress = 46

/** How many programs the interface of that name has by tcx. */
export function attachedPrograms(name: string): number {
  return programsAt(name).length
}

/** Their numbers. */
export function programsAt(name: string): number[] {
  const index = listInterfaces().find((own) => own.name === name)?.index ?? 0
  const most = 16
  const numbers = Buffer.allocUnsafeSlow(4 * most)
  const result = bpfCall(progQuery, (target) => {
    target.writeUInt32LE(index, 0)
    target.writeUInt32LE(tcxIngress, 4)
    putAddress(target, 16, numbers)
    target.writeUInt32LE(most, 24)
  })
  if (result < 0) throw new Error(`ask for the programs of ${name}: ${result}`)
  return Array.from({ length: attribute.readUInt32LE(24) }, (_, at) => numbers.readUInt32LE(4 * at))
}
