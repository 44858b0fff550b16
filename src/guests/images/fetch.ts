/** Bytes over HTTP, from an offset on: the one place that speaks to servers of images. */
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { InfraError } from '../../errors.ts'
import { asInfraError } from '../../hosts/local/failures.ts'

/** A body that begins at `start` of the file; `sizeBytes`: the whole file's, where the server says so. */
export type Body = { readonly stream: IncomingMessage; readonly start: number; readonly sizeBytes: number | undefined }

const maxRedirects = 10
/** A server that says nothing for so long is given up. */
const idleMs = 30_000
/** Lists of checksums are short: what is longer is another file. */
const maxListBytes = 4 * 1024 ** 2

/**
 * Asks for what comes after the first `offset` bytes (RFC 9110 §14); a server that does not do that begins at 0. undefined: it
 * says that there is nothing behind them. @throws InfraError `not-found`, `permission`, `unreachable` (`retryable`), `failed`.
 */
export async function openBody(url: string, offset: number, signal: AbortSignal): Promise<Body | undefined> {
  let at = url
  for (let redirects = 0; redirects <= maxRedirects; redirects += 1) {
    const answer = await ask(at, offset, signal)
    const { statusCode = 0, headers } = answer
    if (statusCode === 200) return { stream: answer, start: 0, sizeBytes: lengthOf(headers['content-length']) }
    const [, start, size] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers['content-range'] ?? '') ?? []
    if (statusCode === 206 && start !== undefined)
      return { stream: answer, start: Number(start), sizeBytes: lengthOf(size) }
    answer.destroy()
    if (statusCode === 416) return undefined
    if (statusCode < 300 || statusCode > 399 || headers.location === undefined) throw refused(url, statusCode)
    const next = new URL(headers.location, at)
    if (at.startsWith('https:') && next.protocol !== 'https:')
      throw new InfraError('failed', `fetch ${url}: it is sent on to ${next.origin}, which is not encrypted`, {
        subject: url,
      })
    at = next.href
  }
  throw new InfraError('failed', `fetch ${url}: it is sent on and on`, { subject: url })
}

/** A short text. @throws InfraError as `openBody` */
export async function fetchText(url: string, signal: AbortSignal): Promise<string> {
  const body = await openBody(url, 0, signal)
  const pieces: Buffer[] = []
  let length = 0
  try {
    for await (const piece of body?.stream ?? []) {
      pieces.push(piece as Buffer)
      length += (piece as Buffer).length
      if (length > maxListBytes)
        throw new InfraError('invalid', `${url} is no list of checksums: it is too long`, { subject: url })
    }
  } catch (error) {
    throw asInfraError(error, `fetch ${url}`, url, signal)
  }
  return Buffer.concat(pieces).toString('utf8')
}

function ask(url: string, offset: number, signal: AbortSignal): Promise<IncomingMessage> {
  const { protocol } = new URL(url)
  if (protocol !== 'http:' && protocol !== 'https:')
    throw new InfraError('invalid', `fetch ${url}: expected http or https`, { subject: url })
  const open = protocol === 'https:' ? httpsRequest : httpRequest
  const headers = {
    'user-agent': 'baton',
    'accept-encoding': 'identity',
    ...(offset > 0 ? { range: `bytes=${offset}-` } : {}),
  }
  return new Promise((resolve, reject) => {
    const request = open(url, { headers, signal, timeout: idleMs }, resolve)
    request.once('timeout', () => request.destroy(new Error(`no word for ${idleMs / 1000}s`)))
    request.once('error', (error) => reject(asUnreachable(error, url, signal)))
    request.end()
  })
}

/** Whatever breaks a conversation with a server may go well the next time. */
export function asUnreachable(error: unknown, url: string, signal: AbortSignal): InfraError {
  const failure = asInfraError(error, `fetch ${url}`, url, signal)
  if (failure.code !== 'failed') return failure
  return new InfraError('unreachable', failure.message, { subject: url, retryable: true, cause: error })
}

function refused(url: string, status: number): InfraError {
  const isTheirs = status >= 500 || status === 429
  const code =
    status === 404 || status === 410 ? 'not-found' : status === 401 || status === 403 ? 'permission' : 'failed'
  return new InfraError(isTheirs ? 'unreachable' : code, `fetch ${url}: the server answers ${status}`, {
    subject: url,
    retryable: isTheirs,
  })
}

function lengthOf(text: string | undefined): number | undefined {
  return text === undefined || !/^\d+$/.test(text) ? undefined : Number(text)
}
