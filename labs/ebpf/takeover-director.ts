/** A director's engine in a namespace of its own, told by its parent: what it has, what changes, and what it is to take. */

import { ebpfEngine } from '../../src/engines/ebpf/ebpf.ts'
import { defaultGround } from '../../src/engines/ebpf/ground.ts'
import type { Connection, EngineChange, ServiceSnapshot, TakenConnections } from '../../src/engines/engine.ts'
import type { PortableConnection } from '../../src/lvs/portable-connection.ts'
import { defaultTellingRules } from '../../src/lvs/telling.ts'

export type Asked =
  | { readonly kind: 'apply'; readonly changes: readonly EngineChange[] }
  | { readonly kind: 'take'; readonly connections: readonly PortableConnection[] }
  | { readonly kind: 'read' | 'export' | 'connections' }

export type Answered = {
  readonly number: number
  readonly error?: string
  readonly taken?: TakenConnections
  readonly table?: readonly ServiceSnapshot[]
  readonly exported?: readonly PortableConnection[]
  readonly connections?: readonly Connection[]
}

/** `number`: of the question that it answers. */
export type Said = Answered | { readonly changed: readonly PortableConnection[] } | { readonly ready: true }

const [, , bpfFileSystem = '', directory = ''] = process.argv
const engine = await ebpfEngine({ ...defaultGround, bpfFileSystem, lockDirectory: directory })
const say = (what: Said): void => void process.send?.(what)
const call = { signal: AbortSignal.timeout(120_000) }

async function all<T>(parts: AsyncIterable<readonly T[]>): Promise<T[]> {
  const found: T[] = []
  for await (const part of parts) found.push(...part)
  return found
}

async function listed(): Promise<Connection[]> {
  const found: Connection[] = []
  for await (const one of engine.connections(call)) found.push(one)
  return found
}

async function answer(asked: Asked): Promise<Omit<Answered, 'number'>> {
  switch (asked.kind) {
    case 'apply':
      await engine.apply(asked.changes, call)
      return {}
    case 'take':
      return { taken: await engine.takeConnections(asked.connections, call) }
    case 'read':
      return { table: await engine.read(call) }
    case 'export':
      return { exported: await all(engine.exportConnections(call)) }
    case 'connections':
      return { connections: await listed() }
  }
}

process.on('message', ({ number, asked }: { readonly number: number; readonly asked: Asked }) => {
  answer(asked).then(
    (answered) => say({ number, ...answered }),
    (error: unknown) => say({ number, error: String(error) }),
  )
})
process.on('disconnect', () => process.exit(0))
say({ ready: true })
for await (const { connections } of engine.changedConnections({ ...call, rules: defaultTellingRules }))
  say({ changed: connections })
