/** Which file a call means, and where that instance of ldirectord keeps what. */
import { statSync } from 'node:fs'
import { resolve } from 'node:path'

export type Instance = {
  /** The file as ldirectord names it in what it says, and where it is. */
  readonly shown: string
  readonly path: string
  /** In its log, its pid file and the director: the last part of what was asked for. */
  readonly name: string
  readonly pidFile: string
}

/** Put before /etc/ha.d, /var/run and /var/log/ldirectord.log: for tests, and for several on one machine. */
const rootVariable = 'BATON_LDIRECTORD_ROOT'

type Environment = Readonly<Record<string, string | undefined>>

const root = (environment: Environment): string => environment[rootVariable] ?? ''

export const defaultLog = (environment: Environment): string => `${root(environment)}/var/log/ldirectord.log`

/** undefined when there is no such file. */
export function findInstance(
  file: string | undefined,
  environment: Environment,
  isFile: (path: string) => boolean = isPlainFile,
): Instance | undefined {
  const asked = file ?? 'ldirectord.cf'
  const before = root(environment)
  const places = [`${before}/etc/ha.d/${asked}`, `${before}/etc/ha.d/conf/${asked}`, asked]
  const shown = places.find(isFile)
  if (shown === undefined) return undefined
  const name = file === undefined ? 'ldirectord' : (/([^/]+)$/.exec(asked)?.[1] ?? 'ldirectord')
  // Made absolute here: a daemon has another working directory.
  return { shown, path: resolve(shown), name, pidFile: `${before}/var/run/ldirectord.${name}.pid` }
}

function isPlainFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true
}
