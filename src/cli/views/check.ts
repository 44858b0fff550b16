/** `baton check` when all is well: what the file asks for, in one line for each kind of thing. */
import type { Diagnostic } from '../../cluster/spec/diagnostic.ts'
import type { ClusterSpec } from '../../cluster/spec/model.ts'
import type { ParsedSpec } from '../../cluster/spec/parse.ts'
import type { EngineName } from '../../engines/engine.ts'
import { count } from './units.ts'

export type CheckJson = {
  readonly file: string
  readonly ok: boolean
  readonly diagnostics: readonly Diagnostic[]
  /** What is to carry the services, and why where `auto` chooses; null without any, and for a file with errors. */
  readonly engine: { readonly name: EngineName; readonly reason: string | null } | null
}

export function checkedEngine({ spec, engine }: Pick<ParsedSpec, 'spec' | 'engine'>): CheckJson['engine'] {
  if (spec === undefined || engine === undefined || Object.keys(spec.services).length === 0) return null
  return { name: engine.name, reason: engine.reason ?? null }
}

export function checkView({ file, engine }: CheckJson, spec: ClusterSpec | undefined): string[] {
  if (spec === undefined) return []
  const guests = Object.values(spec.guests).reduce((sum, pool) => sum + (pool.count ?? 1), 0)
  const services = Object.keys(spec.services).length
  const right = `${file}: right, and this machine can carry it: ${count(guests, 'guest')}, ${count(services, 'service')}`
  // One that is named needs no reason.
  return engine === null || engine.reason === null ? [right] : [right, `engine ${engine.name}: ${engine.reason}`]
}
