/** The control API of a director: HTTP and JSON on a unix socket that only its owner can open. */
import { chmod, mkdir, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { dirname } from 'node:path'
import { Readable } from 'node:stream'
import fastify, { type FastifyInstance, type FastifyReply } from 'fastify'
import type * as z from 'zod'
import { within } from '../deadline.ts'
import type { CallOptions, DirectorControl } from '../director/control.ts'
import { editRequestSchema, tableRequestSchema } from '../director/edit-schemas.ts'
import {
  checkNowSchema,
  clusterServicesSchema,
  drainTargetSchema,
  eventsRequestSchema,
  handOverSchema,
  reachSchema,
  stopRequestSchema,
  traceRequestSchema,
} from '../director/schemas.ts'
import { describeError, type InfraCode, InfraError, isInfraError } from '../errors.ts'
import { eventStream } from './event-stream.ts'
import type { Scrape } from './metrics/scrape.ts'
import { contentType } from './metrics/text.ts'
import { type RouteName, routes } from './routes.ts'
import { openApiDocument } from './schemas.ts'

const httpStatus: Readonly<Partial<Record<InfraCode, number>>> = {
  'not-found': 404,
  'already-exists': 409,
  invalid: 400,
  unsupported: 422,
  permission: 403,
  busy: 409,
  timeout: 504,
}

/** How long one request may take. */
const requestMs = 60_000
/** How long the answers under way may take at the end. */
const closeMs = 1_000
const servicesAtOnce = 256
const maxBodyBytes = 64 * 1024 * 1024

type Call = {
  readonly body: unknown
  readonly name: string
  readonly query: unknown
  readonly lastEventId: string | undefined
  readonly options: CallOptions
  readonly scrape: Scrape | undefined
  /** Over only when the client has gone, or the server goes. */
  readonly lasting: CallOptions
}

/** An answer that comes bit by bit. */
type Stream = { readonly type: string; readonly content: Readable }

const json = 'application/json; charset=utf-8'
/** Values of JSON, one in a line. */
const linesType = 'application/x-ndjson; charset=utf-8'

type Handler = (control: DirectorControl, call: Call) => Promise<unknown>

const handlers: Readonly<Record<RouteName, Handler>> = {
  status: async (control, { options }) => {
    const { services, ...rest } = await control.status(options)
    return inPieces(rest, 'services', services)
  },
  putCluster: (control, { body, name, options }) =>
    control.putCluster({ ...parse(clusterServicesSchema, body), cluster: name }, options),
  removeCluster: (control, { name, options }) => control.removeCluster(name, options),
  drain: async (control, { body, options }) => ({
    servers: await control.drain(parse(drainTargetSchema, body), options),
  }),
  undrain: async (control, { body, options }) => ({
    servers: await control.undrain(parse(drainTargetSchema, body), options),
  }),
  moveGuest: (control, { body, name, options }) => control.moveGuest(name, parse(reachSchema, body), options),
  // As slowly as it is read: nothing is held but a batch.
  connections: async (control, { lasting }) => ({ type: linesType, content: inLines(control.connections(lasting)) }),
  edit: (control, { body, options }) => control.edit(parse(editRequestSchema, body).edits, options),
  table: async (control, { body, options }) => {
    const { services, ...rest } = await control.table({ ...options, ...parse(tableRequestSchema, body) })
    return inPieces(rest, 'services', services)
  },
  checkNow: (control, { body, options }) => control.checkNow(parse(checkNowSchema, body).id, options),
  handOver: async (control, { body, options }) => ({
    routers: await control.handOver(parse(handOverSchema, body), options),
  }),
  events: async (control, { query, lastEventId, lasting }) => {
    const asked = parse(eventsRequestSchema, query)
    const last = /^\d{1,15}$/.test(lastEventId ?? '') ? { after: Number(lastEventId) } : {}
    return { type: 'text/event-stream', content: eventStream(control.events({ ...asked, ...last, ...lasting })) }
  },
  trace: (control, { body, options }) => control.trace(parse(traceRequestSchema, body), options),
  stop: (control, { body, options }) => control.stop({ ...options, ...parse(stopRequestSchema, body ?? undefined) }),
  metrics: async (_control, { scrape, options }) => {
    if (scrape === undefined) throw new InfraError('not-found', 'nothing is measured here', { subject: 'metrics' })
    const content = Readable.from(scrape(options), { objectMode: true, highWaterMark: 1 })
    return { type: contentType, content }
  },
  openapi: async () => openApiDocument(),
}

/** Over when the client has gone, or with what else ends it. By hand, as AbortSignal.any would remember every one (Node 20). */
function goneSignal(reply: FastifyReply, otherwise?: AbortSignal): AbortSignal {
  const gone = new AbortController()
  const onEnd = (): void => gone.abort()
  otherwise?.addEventListener('abort', onEnd, { once: true })
  reply.raw.once('close', () => {
    otherwise?.removeEventListener('abort', onEnd)
    onEnd()
  })
  return gone.signal
}

/** The routes, without a socket yet. */
export function controlServer(control: DirectorControl, scrape?: Scrape): FastifyInstance {
  const closing = new AbortController()
  const server = fastify({
    logger: false,
    bodyLimit: maxBodyBytes,
    requestTimeout: requestMs,
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: 1000 },
  })
  for (const key of Object.keys(routes) as RouteName[]) {
    const { method, path } = routes[key]
    server.route<{ Params: { name?: string } }>({
      method,
      url: path,
      handler: async (request, reply) => {
        const lastEventId = request.headers['last-event-id']
        const result = await handlers[key](control, {
          body: request.body,
          name: request.params.name ?? '',
          query: request.query,
          lastEventId: typeof lastEventId === 'string' ? lastEventId : undefined,
          scrape,
          options: { signal: within(goneSignal(reply), requestMs) },
          lasting: { signal: goneSignal(reply, closing.signal) },
        })
        return isStream(result) ? reply.type(result.type).send(result.content) : reply.send(result ?? {})
      },
    })
  }
  // What lasts ends first: the server waits for answers under way.
  server.addHook('preClose', async () => closing.abort())
  server.setErrorHandler((error, _request, reply) => sendError(reply, error))
  server.setNotFoundHandler((request, reply) =>
    sendError(
      reply,
      new InfraError('not-found', `no route ${request.method} ${request.url}`, {
        subject: request.url,
        hint: 'see /v1/openapi.json',
      }),
    ),
  )
  return server
}

/**
 * Listens on the socket. A file left over by a killed daemon is replaced; the caller holds the lock that says that no
 * other daemon lives here.
 */
export async function listenControl(control: DirectorControl, path: string, scrape?: Scrape): Promise<AsyncDisposable> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  if (await answers(path)) throw new InfraError('busy', `a director already listens on ${path}`, { subject: path })
  await rm(path, { force: true })
  const server = controlServer(control, scrape)
  // Nobody else may connect in the moment between listen and chmod.
  const before = process.umask(0o177)
  try {
    await server.listen({ path })
  } finally {
    process.umask(before)
  }
  await chmod(path, 0o600)
  return {
    async [Symbol.asyncDispose]() {
      // Answers under way are finished; a client that does not take its answer is not waited for.
      const hurry = setTimeout(() => server.server.closeAllConnections(), closeMs)
      await server.close()
      clearTimeout(hurry)
      await rm(path, { force: true })
    },
  }
}

/** An object as text, its long list piece by piece: ten thousand services are 30 MB, and others are to be heard meanwhile. */
function inPieces(rest: object, name: string, list: readonly unknown[]): Stream {
  const pieces = function* (): Generator<string> {
    yield `${JSON.stringify(rest).slice(0, -1)},${JSON.stringify(name)}:[`
    for (let at = 0; at < list.length; at += servicesAtOnce)
      yield (at === 0 ? '' : ',') + JSON.stringify(list.slice(at, at + servicesAtOnce)).slice(1, -1)
    yield ']}'
  }
  return { type: json, content: Readable.from(pieces(), { objectMode: true, highWaterMark: 1 }) }
}

function inLines(batches: AsyncIterable<readonly unknown[]>): Readable {
  const pieces = async function* (): AsyncGenerator<string> {
    for await (const batch of batches) yield batch.map((value) => `${JSON.stringify(value)}\n`).join('')
  }
  return Readable.from(pieces(), { objectMode: true, highWaterMark: 1 })
}

function isStream(result: unknown): result is Stream {
  return typeof result === 'object' && result !== null && 'content' in result && result.content instanceof Readable
}

function parse<T>(schema: z.ZodType<T>, body: unknown): T {
  const parsed = schema.safeParse(body)
  if (parsed.success) return parsed.data
  const issues = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'body'}: ${message}`)
  throw new InfraError('invalid', issues.join('; '), { subject: 'request', hint: 'see /v1/openapi.json' })
}

function sendError(reply: FastifyReply, error: unknown): FastifyReply {
  if (isInfraError(error)) {
    const { code, message, subject, retryable, hint } = error
    return reply
      .code(httpStatus[code] ?? 500)
      .send({ code, message, subject, retryable, ...(hint === undefined ? {} : { hint }) })
  }
  const status = typeof error === 'object' && error !== null && 'statusCode' in error ? Number(error.statusCode) : 500
  return reply.code(status).send({
    code: status < 500 ? 'invalid' : 'failed',
    message: describeError(error),
    subject: 'request',
    retryable: false,
  })
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path)
    const end = (answer: boolean): void => {
      socket.destroy()
      resolve(answer)
    }
    socket.once('connect', () => end(true)).once('error', () => end(false))
  })
}
