/** Where Baton keeps what on a host, for root and for everybody else. */
import { join } from 'node:path'
import type { Directories } from './host.ts'

/**
 * BATON_RUNTIME_DIR, BATON_STATE_DIR and BATON_CACHE_DIR come first; then root's directories of the Filesystem
 * Hierarchy Standard, or a user's of the XDG Base Directory Specification.
 */
export function directoriesFromEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
  uid: number,
): Directories {
  const home = environment['HOME'] ?? `/tmp/baton-home-${uid}`
  const own = uid === 0
  const runtimeBase = environment['XDG_RUNTIME_DIR']
  const stateBase = environment['XDG_STATE_HOME'] ?? join(home, '.local/state')
  const cacheBase = environment['XDG_CACHE_HOME'] ?? join(home, '.cache')
  const runtime = own ? '/run/baton' : runtimeBase === undefined ? `/tmp/baton-${uid}` : join(runtimeBase, 'baton')
  return {
    runtime: environment['BATON_RUNTIME_DIR'] ?? runtime,
    state: environment['BATON_STATE_DIR'] ?? (own ? '/var/lib/baton' : join(stateBase, 'baton')),
    cache: environment['BATON_CACHE_DIR'] ?? (own ? '/var/cache/baton' : join(cacheBase, 'baton')),
  }
}
