/** A director reached over its control socket: the same interface as the object in its process. */
import { request as httpRequest } from 'node:http'
import type { Duplex } from 'node:stream'
import type { DirectorControl, DirectorStatus } from '../director/control.ts'
import type { Connection } from '../engines/engine.ts'
import { type InfraCode, InfraError, isInfraError } from '../errors.ts'
import type { Host } from '../hosts/host.ts'
import { errorSchema, type Route, routes } from './schemas.ts'

export function controlSocket(host: Host): string {
  return `${host.directories.runtime}/director.sock`
}

/** @throws InfraError `not-found` from every method while no director runs there. */
export function directorClient(host: Host): DirectorControl {
  const call = async (route: Route, signal: AbortSignal, name = '', body?: unknown): Promise<unknown> => {
    const stream = await connectOrExplain(host, signal)
    try {
      return await exchange(stream, route.method, route.path.replace(':name', encodeURIComponent(name)), body, signal)
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
    connections: async ({ signal }) => (await call(routes.connections, signal)) as Connection[],
    checkNow: async (id, { signal }) => void (await call(routes.checkNow, signal, '', { id })),
    stop: async ({ signal }) => void (await call(routes.stop, signal)),
  }
}

async function connectOrExplain(host: Host, signal: AbortSignal): Promise<Duplex> {
  try {
    return await host.connect(controlSocket(host), { signal })
  } catch (error) {
    if (isInfraError(error) && (error.code === 'not-found' || error.code === 'unreachable'))
      throw new InfraError('not-found', `no director runs on ${host.name}`, {
        subject: host.name,
        cause: error,
        hint: 'baton up starts one; or baton director',
      })
    throw error
  }
}

function exchange(stream: Duplex, method: string, path: string, body: unknown, signal: AbortSignal): Promise<unknown> {
  const payload = body === undefined ? undefined : JSON.stringify(body)
  return new Promise((resolve, reject) => {
    const lost = (error: unknown): void =>
      reject(
        signal.aborted
          ? new InfraError('timeout', `${method} ${path}: no answer from the director in time`, {
              subject: path,
              retryable: true,
            })
          : new InfraError('unreachable', `${method} ${path}: the director ended`, {
              subject: path,
              retryable: true,
              cause: error,
            }),
      )
    const request = httpRequest({
      method,
      path,
      signal,
      createConnection: () => stream,
      headers: {
        Host: 'director',
        Connection: 'close',
        ...(payload === undefined
          ? {}
          : { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(payload) }),
      },
    })
    request.once('error', lost)
    request.once('response', (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.once('error', lost)
      response.once('end', () => {
        const answer: unknown = JSON.parse(Buffer.concat(chunks).toString() || '{}')
        if ((response.statusCode ?? 500) < 400) resolve(answer)
        else reject(remoteError(answer, `${method} ${path}`))
      })
    })
    request.end(payload)
  })
}

function remoteError(answer: unknown, what: string): InfraError {
  const parsed = errorSchema.safeParse(answer)
  if (!parsed.success)
    return new InfraError('failed', `${what}: the director answered with something else than an error`, {
      subject: what,
    })
  const { code, message, subject, retryable, hint } = parsed.data
  return new InfraError(code as InfraCode, message, { subject, retryable, ...(hint === undefined ? {} : { hint }) })
}
