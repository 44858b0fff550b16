/** Edits of the table by hand, as ipvsadm(8) makes them: each by itself, answered as the kernel answers. Plain data. */

import type { Endpoint, RealServer, Service, ServiceId } from './service.ts'
import type { Timeouts } from './settings.ts'
import type { TellingRules } from './telling.ts'

export type SyncRole = 'master' | 'backup'

/** A connection synchronisation daemon: ipvsadm --start-daemon. */
export type SyncDaemon = {
  readonly role: SyncRole
  readonly interface: string
  /** 0..255; a backup with 0 takes all. */
  readonly syncId: number
  /** Bytes; undefined: from the interface's MTU. */
  readonly maxLength?: number
  readonly group: string
  readonly port: number
  readonly ttl: number
  /** A file whose content seals what is said, and is asked of all that is heard. Of Baton's own daemons only. */
  readonly keyFile?: string
  /** Of a master: when backups are told of a connection; undefined: the kernel's defaults. Of Baton's own daemons only. */
  readonly rules?: TellingRules
}

/** What a director says and hears for its connections to be others', too: a daemon of each role that it has at a time. */
export type Synchronisation = Omit<SyncDaemon, 'role'>

export type TableEdit =
  | { readonly kind: 'service.add' | 'service.edit'; readonly service: Service }
  | { readonly kind: 'service.delete'; readonly id: ServiceId }
  | { readonly kind: 'server.add' | 'server.edit'; readonly id: ServiceId; readonly server: RealServer }
  | { readonly kind: 'server.delete'; readonly id: ServiceId; readonly server: Endpoint }
  | { readonly kind: 'flush' }
  /** Counters and rates; without `id` those of all services and the totals. */
  | { readonly kind: 'zero'; readonly id?: ServiceId }
  /** What is left out stays as it is. */
  | { readonly kind: 'timeouts'; readonly timeouts: Partial<Timeouts> }
  | { readonly kind: 'daemon.start'; readonly daemon: SyncDaemon }
  | { readonly kind: 'daemon.stop'; readonly role: SyncRole }

/** errno(3), as the kernel would set it. */
export type EditErrno =
  | 'EADDRINUSE'
  | 'EADDRNOTAVAIL'
  | 'EEXIST'
  | 'EINVAL'
  | 'EIO'
  | 'ENODEV'
  | 'ENOENT'
  | 'ENOMEM'
  | 'EOPNOTSUPP'
  | 'EPERM'
  | 'ERANGE'
  | 'ESRCH'

/** `message` says more than the errno does: why this engine, or the owner of the service, refuses. */
export type EditResult =
  | { readonly ok: true }
  | { readonly ok: false; readonly errno: EditErrno; readonly message?: string; readonly hint?: string }
