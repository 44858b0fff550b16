/** Debian's keepalived on this machine, and Baton in its place, each in a namespace of its own. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import type { Site } from '../ha/world.ts'
import type { Baton } from '../hello/baton.ts'

const program = join(import.meta.dirname, '../../bin/baton')

export const isThere = spawnSync('keepalived', ['--version']).status === 0
if (!isThere) console.warn('skipped: Debian’s package keepalived is not installed')

export type Start = (file: string) => ChildProcess

function run(site: Site, environment: NodeJS.ProcessEnv, ...command: readonly string[]): ChildProcess {
  const [first = '', ...words] = [...site.inside(0), ...command]
  return spawn(first, words, { env: environment, stdio: 'ignore' })
}

/** Its VRRP half, in the foreground; the pid files are in `folder`. */
export function theirs(site: Site, folder: string): Start {
  const pids = ['-p', join(folder, 'pid'), '-r', join(folder, 'vrrp.pid')]
  return (file) => run(site, process.env, 'keepalived', '-P', '-n', '-l', '-f', file, ...pids)
}

/** As `theirs`. */
export function ours(site: Site, folder: string, { environment }: Baton): Start {
  const own = { ...environment, BATON_ENGINE: 'userspace' }
  const words = ['-P', '-n', '-l', '-p', join(folder, 'own.pid')]
  return (file) => run(site, own, process.execPath, program, 'keepalived', ...words, '-f', file)
}

/** A director with the file as its own, which does what keepalived would do beside it. */
export function director(site: Site, { environment }: Baton): Start {
  const words = ['director', '--engine', 'userspace', '--config']
  return (file) => run(site, environment, process.execPath, program, ...words, file)
}
