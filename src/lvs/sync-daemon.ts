/** The connection synchronisation daemons as the kernel runs them, and how one does. */
import type { SyncDaemon } from './edit.ts'
import { familyOf } from './service.ts'

/**
 * A daemon with its message size in force: bytes of UDP payload, for a backup at least 1024. By default a master fills
 * 1500 bytes of IP packet, a backup is ready for its interface's MTU (ip_vs_sync.c, start_sync_thread).
 */
export function startedDaemon(daemon: SyncDaemon, mtu = 1500): SyncDaemon {
  const headers = familyOf(daemon.group) === 'ipv6' ? 48 : 28
  const isBackup = daemon.role === 'backup'
  const packet = isBackup ? Math.min(Math.max(mtu, 1500), 65_535) : 1500
  const { maxLength = 0 } = daemon
  const wanted = maxLength === 0 ? packet - headers : maxLength
  return { ...daemon, maxLength: Math.min(Math.max(wanted, isBackup ? 1024 : 1), 65_535 - headers) }
}

/** Counts begin when the daemon is started. Datagrams and records: those that were sent, or taken over. */
export type SyncStatus = {
  readonly daemon: SyncDaemon
  /** undefined: the kernel's own, which counts nothing. */
  readonly counts?: SyncCounts
}

export type SyncCounts = {
  readonly datagrams: number
  readonly bytes: number
  readonly records: number
  /** Of a master: connections that could not be told, as nobody was ready for them, and datagrams that could not be sent. */
  readonly dropped: number
  readonly unsent: number
  /** Of a backup: taken, but of a service or a real server that is not here (yet). */
  readonly waiting: number
  /** Of a backup: datagrams, and records of others, that were left aside; by reason. */
  readonly refused: Readonly<Record<string, number>>
  readonly recordsRefused: Readonly<Record<string, number>>
  /**
   * The transfer of all connections: a master is `telling` them or has `told` them, a backup has `asked` for them, `had`
   * them, or is `unanswered`, as by the kernel's masters, which know no such question.
   */
  readonly transfer: 'none' | 'telling' | 'told' | 'asked' | 'had' | 'unanswered'
  /** What hinders it, in words. */
  readonly trouble?: string
}
