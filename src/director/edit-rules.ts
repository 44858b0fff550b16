/** What an edit needs to be there, or not to be there, with the kernel's answers. Pure. */
import type { EditErrno, SyncDaemon, TableEdit } from '../lvs/edit.ts'
import type { Endpoint, RealServer, Service, ServiceId } from '../lvs/service.ts'

export type EditView = {
  service(id: ServiceId): Service | undefined
  server(id: ServiceId, endpoint: Endpoint): RealServer | undefined
  daemons(): readonly SyncDaemon[]
}

export function editError(view: EditView, edit: Exclude<TableEdit, { kind: 'flush' | 'zero' }>): EditErrno | undefined {
  switch (edit.kind) {
    case 'service.add':
      return view.service(edit.service.id) === undefined ? undefined : 'EEXIST'
    case 'service.edit':
      return view.service(edit.service.id) === undefined ? 'ESRCH' : undefined
    case 'service.delete':
      return view.service(edit.id) === undefined ? 'ESRCH' : undefined
    case 'server.add':
    case 'server.edit':
    case 'server.delete': {
      if (view.service(edit.id) === undefined) return 'ESRCH'
      const isThere = view.server(edit.id, edit.server) !== undefined
      if (edit.kind === 'server.add') return isThere ? 'EEXIST' : undefined
      return isThere ? undefined : 'ENOENT'
    }
    case 'daemon.start':
      return view.daemons().some(({ role }) => role === edit.daemon.role) ? 'EEXIST' : undefined
    case 'daemon.stop':
      return view.daemons().some(({ role }) => role === edit.role) ? undefined : 'ESRCH'
    case 'timeouts':
      return undefined
  }
}
