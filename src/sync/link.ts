/** The thread that holds the synchronisation's sockets, as the sides of it see it. */
import { threadFile } from '../engines/thread-file.ts'
import { startThread } from '../engines/thread-link.ts'
import type { SyncRole } from '../lvs/edit.ts'
import type { Answer, Call, Counts, Note, Side } from './calls.ts'

export interface SyncLink extends AsyncDisposable {
  /** @throws InfraError `not-found` without its interface, `permission` */
  start(side: Side): Promise<void>
  stop(role: SyncRole): Promise<void>
  /** Resolves when they are on their way. */
  send(messages: readonly Uint8Array[]): Promise<void>
  /** A master: those were all. */
  complete(): Promise<void>
  /** A backup: all connections, please. */
  request(): Promise<void>
  /** What came last has been taken: more may come. */
  taken(): Promise<void>
  counts(signal: AbortSignal): Promise<Counts>
}

export type OpenSyncLink = (onNote: (note: Note) => void) => Promise<SyncLink>

/** @throws InfraError `unsupported` where threads or the FFI library cannot be had. */
export async function openSyncLink(onNote: (note: Note) => void): Promise<SyncLink> {
  const file = await threadFile('sync', '../sync/worker.ts')
  const thread = await startThread<Call, Answer, Note>({ file, name: 'sync', data: undefined, onNote })
  const tell = async (call: Call): Promise<void> => void (await thread.call(call))
  return {
    start: (side) => tell({ kind: 'start', side }),
    stop: (role) => tell({ kind: 'stop', role }),
    send: (messages) => tell({ kind: 'send', messages }),
    complete: () => tell({ kind: 'complete' }),
    request: () => tell({ kind: 'request' }),
    taken: () => tell({ kind: 'taken' }),
    counts: async (signal) => (await thread.call({ kind: 'counts' }, signal)) ?? {},
    [Symbol.asyncDispose]: () => thread.close({ kind: 'close' }),
  }
}
