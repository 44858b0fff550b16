/** The connection synchronisation daemons as the kernel runs them. */
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
