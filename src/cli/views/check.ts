/** `baton check` when all is well: what the file asks for, in one line for each kind of thing. */
import type { Diagnostic } from '../../cluster/spec/diagnostic.ts'
import type { ClusterSpec } from '../../cluster/spec/model.ts'
import { count } from './units.ts'

export type CheckJson = { readonly file: string; readonly ok: boolean; readonly diagnostics: readonly Diagnostic[] }

export function checkView({ file }: CheckJson, spec: ClusterSpec | undefined): string[] {
  if (spec === undefined) return []
  const guests = Object.values(spec.guests).reduce((sum, pool) => sum + (pool.count ?? 1), 0)
  const services = Object.keys(spec.services).length
  return [`${file}: right, and this machine can carry it: ${count(guests, 'guest')}, ${count(services, 'service')}`]
}
