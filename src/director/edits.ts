/** Edits by hand: judged as the kernel would, applied many at once, answered one by one. */
import type { Engine, EngineChange } from '../engines/engine.ts'
import { refusals } from '../engines/refusals.ts'
import { describeError, type InfraCode, isInfraError } from '../errors.ts'
import type { EditErrno, EditResult, TableEdit } from '../lvs/edit.ts'
import { type EditSurroundings, editErrno } from '../lvs/edit-rules.ts'
import { type ServiceId, serviceKey } from '../lvs/service.ts'
import { startedDaemon } from '../lvs/sync-daemon.ts'
import { changeOf, type Draft, draftOf, type HandTable, type SmallEdit } from './by-hand.ts'

export type EditingOptions = {
  readonly engine: Engine
  readonly table: HandTable
  readonly around: EditSurroundings
  /** Whose a service is when it was not made by hand: `shop/www`. */
  readonly ownerOf: (key: string) => string | undefined
  /** The cluster that has the synchronisation daemons, where they were not started by hand. */
  readonly syncOwner: () => string | undefined
  /** Called with each run of edits that stands in the engine and in the table now. */
  readonly onMade: (edits: readonly TableEdit[]) => Promise<void>
  /** Called before the engine is asked: what becomes of these services is ours to put right. */
  readonly onAsk: (keys: Iterable<string>) => void
}

const ok: EditResult = { ok: true }

/** The answers in the order of the edits. Nobody else may change the table or the engine meanwhile. */
export async function makeEdits(
  edits: readonly TableEdit[],
  options: EditingOptions,
  signal: AbortSignal,
): Promise<readonly EditResult[]> {
  const results: EditResult[] = []
  let run: SmallEdit[] = []
  const finishRun = async (): Promise<void> => {
    if (run.length > 0) results.push(...(await makeRun(run, options, signal)))
    run = []
  }
  for (const edit of edits) {
    if (edit.kind !== 'flush' && edit.kind !== 'zero') {
      run.push(inForce(edit, options.around))
      continue
    }
    await finishRun()
    results.push(await (edit.kind === 'flush' ? flush(options, signal) : zero(edit.id, options, signal)))
  }
  await finishRun()
  return results
}

/** What stands after it: a timeout of 0 keeps what is, and a daemon without a message size gets one. */
function inForce(edit: SmallEdit, { interfaces }: EditSurroundings): SmallEdit {
  if (edit.kind === 'daemon.start')
    return { ...edit, daemon: startedDaemon(edit.daemon, interfaces.get(edit.daemon.interface)) }
  if (edit.kind !== 'timeouts') return edit
  const timeouts = Object.fromEntries(Object.entries(edit.timeouts).filter(([, seconds]) => seconds !== 0))
  return { kind: edit.kind, timeouts }
}

/**
 * All in one go. An engine takes all changes or none: when it takes none, each half is tried by itself, down to the
 * edits that it refuses.
 */
async function makeRun(
  edits: readonly SmallEdit[],
  options: EditingOptions,
  signal: AbortSignal,
): Promise<EditResult[]> {
  const { engine, table, onAsk, onMade } = options
  const draft = draftOf(table)
  const results: EditResult[] = []
  const made: SmallEdit[] = []
  for (const edit of edits) {
    const refusal = refusalOf(edit, draft, options)
    results.push(refusal ?? ok)
    if (refusal !== undefined) continue
    made.push(edit)
    draft.make(edit)
  }
  if (made.length === 0) return results
  const changes = made.map(changeOf)
  onAsk(changes.flatMap(keyOf))
  try {
    await engine.apply(changes, { signal })
  } catch (error) {
    const failure = failureOf(error)
    if (edits.length === 1 || !isAboutOne(error)) return results.map((result) => (result.ok ? failure : result))
    const half = edits.length >> 1
    return [
      ...(await makeRun(edits.slice(0, half), options, signal)),
      ...(await makeRun(edits.slice(half), options, signal)),
    ]
  }
  for (const edit of made) table.make(edit)
  await onMade(made)
  return results
}

async function flush({ engine, table, onAsk, onMade }: EditingOptions, signal: AbortSignal): Promise<EditResult> {
  const changes = [...table.services.values()].map(
    ({ service }): EngineChange => ({ kind: 'service.remove', id: service.id }),
  )
  onAsk(table.services.keys())
  try {
    if (changes.length > 0) await engine.apply(changes, { signal })
  } catch (error) {
    return failureOf(error)
  }
  table.make({ kind: 'flush' })
  await onMade([{ kind: 'flush' }])
  return ok
}

/** Counters are nobody's own: those of clusters' services begin anew, too. */
async function zero(
  id: ServiceId | undefined,
  { engine, table, ownerOf }: EditingOptions,
  signal: AbortSignal,
): Promise<EditResult> {
  const key = id === undefined ? undefined : serviceKey(id)
  if (key !== undefined && !table.services.has(key) && ownerOf(key) === undefined) return { ok: false, errno: 'ESRCH' }
  try {
    await engine.zero(id, { signal })
    return ok
  } catch (error) {
    return failureOf(error)
  }
}

function refusalOf(edit: SmallEdit, draft: Draft, options: EditingOptions): EditResult | undefined {
  const { engine, ownerOf, syncOwner, around } = options
  const sync = edit.kind === 'daemon.start' || edit.kind === 'daemon.stop' ? syncOwner() : undefined
  if (sync !== undefined)
    return failed(
      'EPERM',
      `the synchronisation daemons belong to ${sync}`,
      `change directors.sync in the file of ${sync}`,
    )
  const id = editedService(edit)
  const owner = id === undefined ? undefined : ownerOf(serviceKey(id))
  if (id !== undefined && owner !== undefined)
    return {
      ok: false,
      errno: 'EPERM',
      message: `${serviceKey(id)} belongs to ${owner}`,
      hint: `change it in the file of ${owner.split('/')[0]}`,
    }
  if (id?.kind === 'dns' || id?.kind === 'pool')
    return { ok: false, errno: 'EINVAL', message: `${serviceKey(id)} cannot be made by hand`, hint: 'say it in a file' }
  const errno = editErrno(edit, draft, around)
  if (errno !== undefined) return { ok: false, errno }
  const [refused] = refusals(engine.name, engine.capabilities, [changeOf(edit)])
  return refused === undefined ? undefined : failed('EOPNOTSUPP', refused.reason, refused.hint)
}

function editedService(edit: SmallEdit): ServiceId | undefined {
  if ('service' in edit) return edit.service.id
  return 'id' in edit ? edit.id : undefined
}

function keyOf(change: EngineChange): string[] {
  if ('service' in change) return [serviceKey(change.service.id)]
  return 'id' in change ? [serviceKey(change.id)] : []
}

const errnoOf: Readonly<Partial<Record<InfraCode, EditErrno>>> = {
  unsupported: 'EOPNOTSUPP',
  busy: 'EADDRINUSE',
  permission: 'EPERM',
  'not-found': 'EADDRNOTAVAIL',
  invalid: 'EINVAL',
  'no-space': 'ENOMEM',
  unreachable: 'EADDRNOTAVAIL',
}

/** Whether another edit may fare better: not when the engine itself does not answer. */
function isAboutOne(error: unknown): boolean {
  return isInfraError(error) && errnoOf[error.code] !== undefined
}

function failureOf(error: unknown): EditResult {
  if (!isInfraError(error)) return failed('EIO', describeError(error), undefined)
  return failed(errnoOf[error.code] ?? 'EIO', describeError(error), error.hint)
}

function failed(errno: EditErrno, message: string, hint: string | undefined): EditResult {
  return { ok: false, errno, message, ...(hint === undefined ? {} : { hint }) }
}
