/** What a director has in the kernel's IPVS, which outlives it and is not its alone: told from what others made there. */

import { handTable } from '../director/by-hand.ts'
import { fileEditJournal } from '../director/edit-journal.ts'
import { fileIntentStore } from '../director/intent.ts'
import { servicesOf } from '../director/intent-changes.ts'
import type { Engine, EngineChange } from '../engines/engine.ts'
import type { Host } from '../hosts/host.ts'
import { serviceKey } from '../lvs/service.ts'
import { directorFiles } from './files.ts'

type CallOptions = { readonly signal: AbortSignal }

/** Keys of the services that were made by hand through a director that has ended without taking them away. */
export async function madeByHand(host: Host): Promise<ReadonlySet<string>> {
  const { edits } = await fileEditJournal(directorFiles(host).byHand).load()
  const table = handTable()
  for (const edit of edits) table.make(edit)
  return new Set(table.services.keys())
}

/** Takes those services away that stand. Whether any did. */
export async function removeServices(
  engine: Engine,
  keys: ReadonlySet<string>,
  options: CallOptions,
): Promise<boolean> {
  const standing = await engine.read(options)
  const changes = standing.flatMap(({ service: { id } }): EngineChange[] =>
    keys.has(serviceKey(id)) ? [{ kind: 'service.remove', id }] : [],
  )
  if (changes.length > 0) await engine.apply(changes, options)
  return changes.length > 0
}

/** Said before the first of them is made. */
export async function noteIpvs(host: Host, options: CallOptions): Promise<void> {
  await host.writeFile(directorFiles(host).inIpvs, '', { ...options, mode: 0o600 })
}

/**
 * Takes away what a director that has ended has left in IPVS: what clusters want, and what was made by hand. Nothing else.
 * Whether there was anything.
 */
export async function removeIpvsTraces(host: Host, options: CallOptions): Promise<boolean> {
  const { inIpvs } = directorFiles(host)
  if ((await host.readFile(inIpvs, options)) === undefined) return false
  const { intent } = await fileIntentStore(host).load(options)
  const wanted = servicesOf(intent).map(({ service }) => serviceKey(service.id))
  const keys = new Set([...wanted, ...intent.leaving, ...(await madeByHand(host))])
  const { ipvsEngine } = await import('../engines/ipvs/ipvs.ts')
  await using engine = await ipvsEngine(host)
  const removed = await removeServices(engine, keys, options)
  await host.remove(inIpvs, options)
  return removed
}
