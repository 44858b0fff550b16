/** A director reached over its control socket: the same interface as the object in its process. */
import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { within } from '../deadline.ts'
import type { DirectorControl, DirectorStatus, TableView } from '../director/control.ts'
import type { TraceAnswer } from '../engines/engine.ts'
import { InfraError, isInfraError } from '../errors.ts'
import type { Host } from '../hosts/host.ts'
import type { EditResult } from '../lvs/edit.ts'
import { exchange } from './exchange.ts'
import { directorFiles } from './files.ts'
import { type Route, routes } from './routes.ts'

/** A director that takes longer than this for anything has lost its way, however patient the caller is. */
const answerMs = 90_000

/** So many edits are one request. */
const editsAtOnce = 8192

/** How long a director that was just started, or started again after a crash, may take until it listens. */
const startMs = 5_000

/** @throws InfraError `not-found` from every method while no director runs there. */
export function directorClient(host: Host): DirectorControl {
  const call = async (route: Route, caller: AbortSignal, name = '', body?: unknown): Promise<unknown> => {
    const signal = within(caller, answerMs)
    const stream = await connectOrExplain(host, signal)
    const path = route.path.replace(':name', encodeURIComponent(name))
    try {
      return await exchange(stream, { method: route.method, path, body, signal })
    } finally {
      stream.destroy()
    }
  }
  const servers = (answer: unknown): number => (answer as { readonly servers: number }).servers
  return {
    status: async ({ signal }) => (await call(routes.status, signal)) as DirectorStatus,
    putCluster: async (wanted, { signal }) => void (await call(routes.putCluster, signal, wanted.cluster, wanted)),
    removeCluster: async (cluster, { signal }) => void (await call(routes.removeCluster, signal, cluster)),
    drain: async (target, { signal }) => servers(await call(routes.drain, signal, '', target)),
    undrain: async (target, { signal }) => servers(await call(routes.undrain, signal, '', target)),
    moveGuest: async (guest, reach, { signal }) => void (await call(routes.moveGuest, signal, guest, reach)),
    async *connections({ signal }) {
      const { remoteConnections } = await import('./remote-connections.ts')
      yield* remoteConnections((connecting) => connectOrExplain(host, within(connecting, answerMs)), signal)
    },
    async edit(edits, { signal }) {
      const results: EditResult[] = []
      // In pages, as one that never ends would hold up everybody else.
      for (let at = 0; at < edits.length; at += editsAtOnce) {
        const page = { edits: edits.slice(at, at + editsAtOnce) }
        results.push(...((await call(routes.edit, signal, '', page)) as EditResult[]))
      }
      return results
    },
    table: async ({ signal, only }) =>
      (await call(routes.table, signal, '', only === undefined ? {} : { only })) as TableView,
    trace: async (question, { signal }) => (await call(routes.trace, signal, '', question)) as TraceAnswer,
    checkNow: async (id, { signal }) => void (await call(routes.checkNow, signal, '', { id })),
    handOver: async (order, { signal }) =>
      ((await call(routes.handOver, signal, '', order)) as { readonly routers: number }).routers,
    async *events(query) {
      const { remoteEvents } = await import('./remote-events.ts')
      yield* remoteEvents((signal) => connectOrExplain(host, within(signal, answerMs)), query)
    },
    stop: async ({ signal, keep }) => void (await call(routes.stop, signal, '', keep === undefined ? {} : { keep })),
  }
}

async function connectOrExplain(host: Host, signal: AbortSignal): Promise<Duplex> {
  const { socket, pid } = directorFiles(host)
  const begun = performance.now()
  for (;;) {
    try {
      return await host.connect(socket, { signal })
    } catch (error) {
      if (!isInfraError(error) || (error.code !== 'not-found' && error.code !== 'unreachable')) throw error
      if (!(await lives(host, pid, signal))) throw noDirector(host, error)
      if (performance.now() - begun > startMs)
        throw new InfraError('unreachable', `the director on ${host.name} does not listen`, {
          subject: host.name,
          retryable: true,
          cause: error,
          hint: `its log is ${directorFiles(host).log}`,
        })
      // What cuts this short ends the next connect, too, with the right error.
      await sleep(20, undefined, { signal }).catch(() => undefined)
    }
  }
}

/** Whether the process that keeps a director lives: it may be on its way, though nobody listens yet. */
async function lives(host: Host, pidFile: string, signal: AbortSignal): Promise<boolean> {
  const written = await host.readFile(pidFile, { signal })
  const pid = written === undefined ? Number.NaN : Number(new TextDecoder().decode(written))
  return Number.isInteger(pid) && pid > 0 && (await host.signal(pid, 0, { signal }))
}

function noDirector(host: Host, cause: unknown): InfraError {
  return new InfraError('not-found', `no director runs on ${host.name}`, {
    subject: host.name,
    cause,
    hint: 'baton up starts one; or baton director',
  })
}
