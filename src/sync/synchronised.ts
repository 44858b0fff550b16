/**
 * An engine whose connections are synchronised with other directors' by daemons of Baton's own: what the kernel's daemons
 * are to the kernel's table. They speak its protocol, so that either may be the other's peer.
 */
import type { Engine, EngineCapabilities, EngineChange } from '../engines/engine.ts'
import { portsAs } from '../engines/porting.ts'
import { throwIfRefused } from '../engines/refusals.ts'
import { Bug } from '../errors.ts'
import type { SyncDaemon, SyncRole } from '../lvs/edit.ts'
import { type SyncCounts, type SyncStatus, startedDaemon } from '../lvs/sync-daemon.ts'
import { turns } from '../turns.ts'
import { Backup } from './backup.ts'
import type { Note, SideCounts } from './calls.ts'
import { readKey } from './key.ts'
import { type OpenSyncLink, openSyncLink, type SyncLink } from './link.ts'
import { Master } from './master.ts'
import { noneRefused, noRecordsRefused } from './refusals.ts'

type DaemonChange = Extract<EngineChange, { readonly kind: 'daemon.start' | 'daemon.stop' }>

type Running = { readonly daemon: SyncDaemon; readonly side: Master | Backup }

const nothingCounted: SideCounts = { datagrams: 0, bytes: 0, unsent: 0, refused: noneRefused, trouble: undefined }

/** What an engine can do once it is synchronised: where its connections cannot move there is nothing to be said. */
export function synchronisedCapabilities(base: EngineCapabilities): EngineCapabilities {
  const isAble = Object.values({ ...base.porting, limit: 'none' }).some((portion) => portion !== 'none')
  return { ...base, syncDaemon: isAble, syncSeals: isAble }
}

export function synchronisedEngine(base: Engine, openLink: OpenSyncLink = openSyncLink): Engine {
  const capabilities = synchronisedCapabilities(base.capabilities)
  const running = new Map<SyncRole, Running>()
  let link: SyncLink | undefined
  const changing = turns()

  const hear = (note: Note): void => {
    const [master, backup] = [running.get('master')?.side, running.get('backup')?.side]
    if (note.kind === 'request' && master instanceof Master) master.request()
    if (note.kind === 'complete' && backup instanceof Backup) backup.complete()
    if (note.kind !== 'messages') return
    if (backup instanceof Backup) backup.take(note)
    else void link?.taken().catch(() => undefined)
  }
  const start = async (wanted: SyncDaemon): Promise<void> => {
    const daemon = wanted.maxLength === undefined ? startedDaemon(wanted) : wanted
    const { role, syncId, maxLength = 0, keyFile, rules } = daemon
    const key = keyFile === undefined ? undefined : await readKey(keyFile)
    link ??= await openLink(hear)
    await stop(role)
    try {
      await link.start({ ...daemon, maxLength, key })
    } catch (error) {
      await endLinkUnlessUsed()
      throw error
    }
    const side =
      role === 'backup'
        ? Backup.start({ engine: base, link })
        : Master.start({ engine: base, link, syncId, maxLength, ...(rules === undefined ? {} : { rules }) })
    running.set(role, { daemon, side })
  }
  const stop = async (role: SyncRole): Promise<void> => {
    const old = running.get(role)
    if (old === undefined) return
    running.delete(role)
    await old.side[Symbol.asyncDispose]()
    await link?.stop(role)
  }
  const endLinkUnlessUsed = async (): Promise<void> => {
    if (running.size > 0) return
    const old = link
    link = undefined
    await old?.[Symbol.asyncDispose]()
  }
  const change = async (one: DaemonChange): Promise<void> => {
    if (one.kind === 'daemon.start') await start(one.daemon)
    else {
      await stop(one.role)
      await endLinkUnlessUsed()
    }
  }
  /** Those that can fail first: the table is then as it was. */
  const changeAll = async (daemons: readonly DaemonChange[], rest: () => Promise<void>): Promise<void> => {
    const before = [...running.values()].map(({ daemon }) => daemon)
    try {
      for (const one of daemons) await change(one)
      await rest()
    } catch (error) {
      for (const role of ['master', 'backup'] as const) {
        const [was, is] = [before.find((daemon) => daemon.role === role), running.get(role)?.daemon]
        if (was === is) continue
        await change(was === undefined ? { kind: 'daemon.stop', role } : { kind: 'daemon.start', daemon: was })
      }
      throw error
    }
  }
  const endAll = async (): Promise<void> => {
    await changing.idle()
    for (const role of [...running.keys()]) await stop(role)
    await endLinkUnlessUsed()
  }

  return {
    ...portsAs(base),
    name: base.name,
    capabilities,
    async apply(changes, options) {
      const daemons = changes.filter(isDaemonChange)
      if (daemons.length === 0) return await base.apply(changes, options)
      throwIfRefused(base.name, capabilities, changes)
      // One that keeps a book of daemons, as the kernel's director does, is told of them, too.
      const others = base.capabilities.syncDaemon ? changes : changes.filter((one) => !isDaemonChange(one))
      await changing.take(() => changeAll(daemons, () => base.apply(others, options)))
    },
    async info(options) {
      const info = await base.info(options)
      const daemons = (['master', 'backup'] as const).flatMap((role) => running.get(role)?.daemon ?? [])
      return { ...info, daemons }
    },
    async synchronisation({ signal }) {
      const counts = await link?.counts(signal)
      return [...running.values()].map(({ daemon, side }) => statusOf(daemon, side, counts?.[daemon.role]))
    },
    read: (options) => base.read(options),
    zero: (id, options) => base.zero(id, options),
    connections: (options) => base.connections(options),
    ...(base.trace === undefined ? {} : { trace: base.trace.bind(base) }),
    ...(base.release === undefined
      ? {}
      : {
          async release() {
            await endAll()
            await base.release?.()
          },
        }),
    async [Symbol.asyncDispose]() {
      await endAll()
      await base[Symbol.asyncDispose]()
    },
  }
}

function isDaemonChange(change: EngineChange): change is DaemonChange {
  return change.kind === 'daemon.start' || change.kind === 'daemon.stop'
}

function statusOf(daemon: SyncDaemon, side: Master | Backup, counts: SideCounts = nothingCounted): SyncStatus {
  const { datagrams, bytes, unsent, refused } = counts
  const { records, transfer } = side
  const trouble = counts.trouble ?? side.trouble
  const isMaster = side instanceof Master
  if (isMaster !== (daemon.role === 'master')) throw new Bug('a side of the synchronisation with the other role')
  const done: SyncCounts = {
    datagrams,
    bytes,
    records,
    dropped: isMaster ? side.dropped + side.leftOut : 0,
    unsent,
    waiting: isMaster ? 0 : side.waiting,
    refused: isMaster ? noneRefused : refused,
    recordsRefused: isMaster ? noRecordsRefused : side.recordsRefused,
    transfer,
    ...(trouble === undefined ? {} : { trouble }),
  }
  return { daemon, counts: done }
}
