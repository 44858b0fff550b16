/** Whether programs may listen at addresses that are not this machine's, or not yet: ip-sysctl, ip_nonlocal_bind. */
import { readFileSync, writeFileSync } from 'node:fs'
import { describeError } from '../errors.ts'

const files = ['/proc/sys/net/ipv4/ip_nonlocal_bind', '/proc/sys/net/ipv6/ip_nonlocal_bind']

/** A director that is backup serves as soon as it has the addresses, not later. Gives back what hinders it, in words. */
export function allowForeignBind(): string[] {
  return files.flatMap((file) => {
    try {
      if (readFileSync(file, 'utf8').trim() === '0') writeFileSync(file, '1')
      return []
    } catch (error) {
      // Without IPv6 there is no such file.
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
      return [`a backup cannot listen at the addresses that it may get: ${describeError(error)}`]
    }
  })
}
