/** What ipvsadm says when the kernel refuses an edit. */
import type { EditName } from '../../formats/ipvsadm/command.ts'
import type { EditErrno } from '../../lvs/edit.ts'

type Texts = Partial<Record<EditErrno, string>>

const noService = 'No such service'
const noModule = 'Scheduler or persistence engine not found'
const server: Texts = { ESRCH: 'Service not defined', ENOENT: 'No such destination' }

const byCommand: Readonly<Partial<Record<EditName, Texts>>> = {
  'add-service': { EEXIST: 'Service already exists', ENOENT: noModule },
  'edit-service': { ESRCH: noService, ENOENT: noModule },
  'delete-service': { ESRCH: noService },
  zero: { ESRCH: noService },
  'add-server': { ...server, EEXIST: 'Destination already exists' },
  'edit-server': server,
  'delete-server': server,
  'start-daemon': { EEXIST: 'Daemon has already run' },
  'stop-daemon': { ESRCH: 'No daemon is running' },
}

/** ipvsadm's own words, else those of strerror(3). */
const general: Readonly<Record<EditErrno, string>> = {
  EPERM: 'Permission denied (you must be root)',
  EINVAL: 'Invalid operation.  Possibly wrong module version, address not unicast, ...',
  ENOMEM: 'Memory allocation problem',
  EOPNOTSUPP: 'Operation not supported with IPv6',
  EADDRINUSE: 'Address already in use',
  EADDRNOTAVAIL: 'Cannot assign requested address',
  EEXIST: 'File exists',
  EIO: 'Input/output error',
  ENODEV: 'No such device',
  ENOENT: 'No such file or directory',
  ERANGE: 'Numerical result out of range',
  ESRCH: 'No such process',
}

export function errnoText(command: EditName, errno: EditErrno): string {
  return byCommand[command]?.[errno] ?? general[errno]
}
