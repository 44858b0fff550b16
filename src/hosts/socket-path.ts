/** How long the path of a unix socket may be, wherever it is. */
import { InfraError } from '../errors.ts'

/** sun_path of unix(7), less its terminating zero. */
const maxSocketPathBytes = 107

/** @throws InfraError `invalid` */
export function throwIfTooLong(path: string, what: string): void {
  if (Buffer.byteLength(path) <= maxSocketPathBytes) return
  throw new InfraError('invalid', `${what}: the path is longer than ${maxSocketPathBytes} bytes`, {
    subject: path,
    hint: 'choose a shorter BATON_RUNTIME_DIR',
  })
}
