/** The Host port on this machine. */
import { connect } from 'node:net'
import type { Duplex } from 'node:stream'
import { directoriesFromEnvironment } from '../directories.ts'
import type { Directories, Host } from '../host.ts'
import { throwIfTooLong } from '../socket-path.ts'
import { widenBacklog } from './backlog.ts'
import { readFacts } from './facts.ts'
import { abortError, asInfraError } from './failures.ts'
import { listDirectory, lockFile, makeDirectory, readWhole, removeAll, renameOver, writeAtomically } from './files.ts'
import { runCommand, signalProcess, spawnDaemon } from './processes.ts'

export function localHost(options: { readonly name?: string; readonly directories?: Directories } = {}): Host {
  return {
    name: options.name ?? 'local',
    directories: options.directories ?? directoriesFromEnvironment(process.env, process.getuid?.() ?? 0),
    facts: ({ signal }) => readFacts(signal),
    run: runCommand,
    spawn: spawnDaemon,
    readFile: readWhole,
    writeFile: writeAtomically,
    list: listDirectory,
    makeDirectory,
    rename: (from, to) => renameOver(from, to),
    remove: (path) => removeAll(path),
    connect: connectSocket,
    lock: lockFile,
    widenBacklog: (pid, ports, backlog) => widenBacklog(pid, ports, backlog),
    signal: async (pid, signal) => signalProcess(pid, signal),
  }
}

async function connectSocket(path: string, { signal }: { readonly signal: AbortSignal }): Promise<Duplex> {
  const what = `connect to ${path}`
  if (signal.aborted) throw abortError(signal, what, path)
  throwIfTooLong(path, what)
  return new Promise((resolve, reject) => {
    const socket = connect({ path, allowHalfOpen: true })
    const onAbort = (): void => {
      socket.destroy()
      reject(abortError(signal, what, path))
    }
    signal.addEventListener('abort', onAbort, { once: true })
    socket.once('connect', () => {
      signal.removeEventListener('abort', onAbort)
      socket.removeAllListeners('error')
      resolve(socket)
    })
    socket.once('error', (error) => {
      signal.removeEventListener('abort', onAbort)
      reject(asInfraError(error, what, path, signal))
    })
  })
}
