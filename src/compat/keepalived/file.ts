/** A keepalived.conf of this machine: its includes read, and held against its interfaces, commands and users. */
import { accessSync, constants, readFileSync, statSync } from 'node:fs'
import { hostname, networkInterfaces } from 'node:os'
import { basename, dirname, isAbsolute, relative, resolve } from 'node:path'
import type { ChosenEngine } from '../../cluster/spec/engine-check.ts'
import { InfraError } from '../../errors.ts'
import type { Included, IncludedFile } from '../../formats/keepalived/lines.ts'
import type { Machine } from '../../formats/keepalived/machine.ts'
import type { KeepalivedFile } from '../../formats/keepalived/model.ts'
import { parseKeepalived } from '../../formats/keepalived/parse.ts'
import { type Converted, convertKeepalived } from './convert.ts'
import { expandBraces, matchingPaths } from './glob.ts'
import { routingNames } from './routing-names.ts'

export type ReadOptions = { readonly configId?: string; readonly allIncludes?: boolean }

/** Larger than any file that is meant. */
const maxBytes = 16 * 1024 * 1024

/** undefined: there is no such file. @throws InfraError when it cannot be read. */
export function readMain(path: string): IncludedFile | undefined {
  const found = statSync(path, { throwIfNoEntry: false })
  if (found === undefined) return undefined
  const refuse = (message: string, cause?: unknown): never => {
    throw new InfraError('invalid', `${path}: ${message}`, { subject: path, cause })
  }
  if (!found.isFile()) return refuse('expected a file')
  if (found.size > maxBytes) return refuse(`expected at most ${maxBytes} bytes`)
  try {
    return { file: path, directory: dirname(resolve(path)), text: readFileSync(path, 'utf8') }
  } catch (cause) {
    return refuse('it cannot be read', cause)
  }
}

export function parseHere(main: IncludedFile, { configId, allIncludes = false }: ReadOptions = {}): KeepalivedFile {
  return parseKeepalived(
    main,
    {
      configId: configId ?? hostname().split('.')[0] ?? '',
      allIncludes,
      directory: process.cwd(),
      include,
      random: Math.random,
    },
    machine(),
  )
}

function include(pattern: string, directory: string): Included {
  const files: IncludedFile[] = []
  const missing: string[] = []
  const directories: string[] = []
  for (const one of expandBraces(pattern)) {
    const paths = matchingPaths(one, directory)
    if (paths.length === 0 && !/[*?[]/.test(one)) missing.push(one)
    for (const path of paths) {
      if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) directories.push(path)
      else {
        try {
          const read = readMain(path)
          if (read !== undefined) files.push({ ...read, file: isAbsolute(one) ? path : relative(directory, path) })
        } catch {
          // What cannot be read is missing: the kind of the include decides what that means.
          missing.push(path)
        }
      }
    }
  }
  return { files, missing, directories }
}

export function machine(): Machine {
  let interfaces: ReadonlySet<string> | undefined
  let users: ReadonlyMap<string, string> | undefined
  return {
    interface(name) {
      // /sys may be mounted of another network namespace.
      interfaces ??= new Set(readFileSync('/proc/net/dev', 'utf8').match(/[^\s:]+(?=:)/g))
      if (!interfaces.has(name)) return 'none'
      const isLoopback = name === 'lo' || networkInterfaces()[name]?.some(({ internal }) => internal) === true
      return isLoopback ? 'loopback' : 'there'
    },
    isExecutable(program) {
      const directories = program.includes('/') ? [''] : searchPath
      return directories.some((directory) => isProgram(`${directory}${program}`))
    },
    routingNames: routingNames(),
    hasUser: (name) => (users ??= readUsers()).has(name),
    groupOf: (user) => (users ??= readUsers()).get(user),
  }
}

/** Where keepalived looks for programs, whatever PATH says. */
const searchPath = ['/usr/local/sbin/', '/usr/local/bin/', '/usr/sbin/', '/usr/bin/', '/sbin/', '/bin/']

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}

/** Users by name, with their groups (passwd(5)). */
function readUsers(): ReadonlyMap<string, string> {
  return new Map(
    readFileSync('/etc/passwd', 'utf8')
      .split('\n')
      .map((line) => line.split(':'))
      .map(([name = '', , , group = '']) => [name, group]),
  )
}

export type ReadFile = Converted & { readonly parsed: KeepalivedFile; readonly cluster: string }

export type ReadWith = ReadOptions & { readonly engine?: ChosenEngine; readonly hasCompany?: boolean }

/** `/etc/keepalived/web.conf` is `web`. @throws InfraError when it is not there, or cannot be read. */
export function readKeepalived(file: string, { engine, hasCompany = false, ...options }: ReadWith = {}): ReadFile {
  const main = readMain(file)
  if (main === undefined) throw new InfraError('not-found', `there is no file ${file}`, { subject: file })
  const name = basename(file).replace(/\..*$/, '')
  const cluster = /^(?=.*[A-Za-z])[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/.test(name) ? name : 'keepalived'
  const parsed = parseHere(main, options)
  const more = engine === undefined ? {} : { engine }
  return { ...convertKeepalived(parsed, { file, cluster, hasCompany, ...more }), parsed, cluster }
}
