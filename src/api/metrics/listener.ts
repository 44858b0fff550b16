/**
 * /metrics over TCP, and nothing else, where clusters ask for it. An address that cannot be taken is said and tried again:
 * it never stands against a service.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { within } from '../../deadline.ts'
import { describeError, isInfraError } from '../../errors.ts'
import type { Timing } from '../../health/timing.ts'
import { type Endpoint, formatEndpoint } from '../../lvs/service.ts'
import type { Scrape } from './scrape.ts'
import { contentType } from './text.ts'

const retryMs = { first: 1_000, most: 30_000 }
/** A scrape that its reader has not taken by then is broken off. */
const answerMs = 60_000
const mostConnections = 64

export type MetricsListeners = AsyncDisposable & {
  follow(endpoints: readonly Endpoint[]): void
  /** What cannot be listened at, in words. */
  readonly troubles: () => readonly string[]
}

type Listening = { readonly stop: AbortController; readonly done: Promise<void> }

export type MetricsListenersOptions = {
  readonly scrape: Scrape
  readonly timing: Pick<Timing, 'sleep'>
  /** Once for each new reason, and without one when it is over. */
  readonly onTrouble: (at: string, reason: string | undefined) => void
}

export function openMetricsListeners({ scrape, timing, onTrouble }: MetricsListenersOptions): MetricsListeners {
  const listening = new Map<string, Listening>()
  const troubles = new Map<string, string>()
  const ending = new Set<Promise<void>>()

  const note = (at: string, reason: string | undefined): void => {
    if (troubles.get(at) === reason) return
    if (reason === undefined) troubles.delete(at)
    else troubles.set(at, reason)
    onTrouble(at, reason)
  }
  const serve = async (endpoint: Endpoint, signal: AbortSignal): Promise<void> => {
    const at = formatEndpoint(endpoint)
    for (let failures = 0; !signal.aborted; failures += 1) {
      const server = createServer(
        { requestTimeout: 10_000 },
        (request, response) => void answer(request, response, scrape),
      )
      server.maxConnections = mostConnections
      const reason = await listen(server, endpoint)
      if (reason === undefined) {
        failures = 0
        note(at, undefined)
        await ended(server, signal)
      } else {
        note(at, reason)
        await timing.sleep(Math.min(retryMs.first * 2 ** failures, retryMs.most), signal)
      }
    }
    troubles.delete(at)
  }
  const end = (at: string, { stop, done }: Listening): void => {
    listening.delete(at)
    stop.abort()
    ending.add(done)
    void done.finally(() => ending.delete(done))
  }
  return {
    follow(endpoints) {
      const wanted = new Map(endpoints.map((endpoint) => [formatEndpoint(endpoint), endpoint]))
      for (const [at, one] of listening) if (!wanted.has(at)) end(at, one)
      for (const [at, endpoint] of wanted) {
        if (listening.has(at)) continue
        const stop = new AbortController()
        listening.set(at, { stop, done: serve(endpoint, stop.signal) })
      }
    },
    troubles: () => [...troubles].map(([at, reason]) => `metrics at ${at}: ${reason}`),
    async [Symbol.asyncDispose]() {
      for (const [at, one] of listening) end(at, one)
      await Promise.all(ending)
    },
  }
}

/** Resolves to why it could not. */
function listen(server: Server, { address, port }: Endpoint): Promise<string | undefined> {
  return new Promise((resolve) => {
    server.once('error', (error) => resolve(describeError(error)))
    server.listen({ host: address, port }, () => resolve(undefined))
  })
}

/** When it is to end, it is closed; by itself it closes when something is wrong with its socket. */
async function ended(server: Server, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    server.once('close', resolve).once('error', () => server.close())
    const close = (): void => {
      server.close()
      server.closeAllConnections()
    }
    if (signal.aborted) close()
    else signal.addEventListener('abort', close, { once: true })
  })
}

async function answer({ method, url = '' }: IncomingMessage, response: ServerResponse, scrape: Scrape): Promise<void> {
  const isGet = method === 'GET' || method === 'HEAD'
  if (!isGet || url.replace(/\?.*/, '') !== '/metrics') {
    response.writeHead(isGet ? 404 : 405, { 'Content-Type': 'text/plain' }).end('only GET /metrics is here\n')
    return
  }
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  const signal = within(gone.signal, answerMs)
  const pieces = scrape({ signal })[Symbol.asyncIterator]()
  try {
    // The first tells whether there is anything to say, so that a failure has a code of its own.
    const first = await pieces.next()
    response.writeHead(200, { 'Content-Type': contentType })
    const rest = Readable.from(following(first, pieces), { objectMode: true, highWaterMark: 1 })
    await pipeline(rest, response, { signal })
  } catch (error) {
    if (response.headersSent) response.destroy()
    else
      response
        .writeHead(isInfraError(error, 'busy') ? 503 : 500, { 'Content-Type': 'text/plain' })
        .end(`${describeError(error)}\n`)
  }
}

async function* following(first: IteratorResult<string>, pieces: AsyncIterator<string>): AsyncGenerator<string> {
  try {
    for (let next = first; next.done !== true; next = await pieces.next()) yield next.value
  } finally {
    await pieces.return?.()
  }
}
