/** One request to a director over a stream, and what can become of it. */
import { request as httpRequest, type IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { InfraError } from '../errors.ts'
import { readWireError } from './wire-error.ts'

export type Exchange = {
  readonly method: string
  readonly path: string
  readonly body?: unknown
  readonly signal: AbortSignal
}

/** @throws InfraError as the director says it, or as it came to be that it said nothing. */
export async function exchange(stream: Duplex, call: Exchange): Promise<unknown> {
  const what = whatOf(call)
  const response = await begin(stream, call)
  const text = await textOf(response, call)
  let answer: unknown
  try {
    answer = JSON.parse(text)
  } catch (error) {
    throw foreign(what, error)
  }
  if (!isRefusal(response)) return answer
  throw refusalOf(what, answer, text)
}

/** The answer's text is still to come. @throws InfraError when it is a refusal. */
export async function openExchange(stream: Duplex, call: Exchange): Promise<IncomingMessage> {
  const response = await begin(stream, call)
  if (!isRefusal(response)) return response
  const text = await textOf(response, call)
  throw refusalOf(whatOf(call), parsed(text), text)
}

function begin(stream: Duplex, call: Exchange): Promise<IncomingMessage> {
  const { method, path, body, signal } = call
  const payload = body === undefined ? undefined : JSON.stringify(body)
  return new Promise((resolve, reject) => {
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
    request.on('error', (error) => reject(lostError(call, error)))
    request.once('response', resolve)
    request.end(payload)
  })
}

async function textOf(response: IncomingMessage, call: Exchange): Promise<string> {
  const chunks: Buffer[] = []
  try {
    for await (const chunk of response) chunks.push(chunk as Buffer)
  } catch (error) {
    throw lostError(call, error)
  }
  return Buffer.concat(chunks).toString()
}

function isRefusal({ statusCode = 0 }: IncomingMessage): boolean {
  return statusCode >= 400
}

function refusalOf(what: string, answer: unknown, text: string): InfraError {
  const said = readWireError(answer)
  if (said === undefined) return foreign(what, text.slice(0, 200))
  const { code, message, subject, retryable, hint } = said
  return new InfraError(code, message, { subject, retryable, ...(hint === undefined ? {} : { hint }) })
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Without its query, which says nothing to people. */
function whatOf({ method, path }: Exchange): string {
  return `${method} ${path.replace(/\?.*/, '')}`
}

export function lostError(call: Exchange, cause: unknown): InfraError {
  const what = whatOf(call)
  const subject = 'director'
  if (!call.signal.aborted)
    return new InfraError('unreachable', `${what}: the director ended before it answered`, {
      subject,
      cause,
      retryable: true,
    })
  if ((call.signal.reason as Error).name !== 'TimeoutError')
    return new InfraError('cancelled', `${what}: cancelled`, { subject, cause })
  return new InfraError('timeout', `${what}: no answer from the director in time`, {
    subject,
    cause,
    retryable: true,
    hint: 'its log says what it does: director/director.log in the state directory',
  })
}

function foreign(what: string, cause: unknown): InfraError {
  return new InfraError('failed', `${what}: what answered is no director`, { subject: 'director', cause })
}
