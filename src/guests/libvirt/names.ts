/** Names of pools, volumes and networks: they become file names, and words of command lines. */
import { InfraError } from '../../errors.ts'

/** @throws InfraError `invalid` */
export function checkName(what: 'pool' | 'volume' | 'network', name: string): void {
  if (/^[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}$/.test(name)) return
  throw new InfraError('invalid', `${what} ${name}: a name has letters, digits, dots and dashes, 63 at most`, {
    subject: name,
  })
}
