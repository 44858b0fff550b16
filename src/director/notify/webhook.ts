/**
 * Delivers an event to a webhook: the record as JSON, by POST. By node:http and not by fetch, which opens another
 * connection after every try that was given up (undici, Node 20), and keeps it for seconds. Redirects are not followed:
 * that could carry what is secret elsewhere.
 */
import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { describeError } from '../../errors.ts'
import type { NotifySink } from '../control.ts'
import type { Deliver, Outcome } from './sink.ts'

type Webhook = Extract<NotifySink, { kind: 'webhook' }>

/** Codes of 4xx that say "not now" rather than "not this". */
const notNow: readonly number[] = [408, 429]

/** A login in the URL becomes a header, as node:http has it. */
export const postEvent: Deliver<Webhook> = ({ url, headers }, record, { key, signal }) =>
  new Promise((resolve) => {
    const body = JSON.stringify(record)
    const options: RequestOptions = {
      method: 'POST',
      agent: false,
      signal,
      headers: {
        'User-Agent': 'Baton',
        ...headers,
        'Content-Type': 'application/json',
        'Content-Length': Buffer.byteLength(body),
        'Idempotency-Key': key,
        Connection: 'close',
      },
    }
    try {
      const address = new URL(url)
      const request = (address.protocol === 'https:' ? httpsRequest : httpRequest)(address, options)
      request.on('error', (error) => {
        const reason = signal.aborted ? 'no answer in time' : describeError(error)
        resolve({ kind: 'failed', reason, retryable: true })
      })
      request.once('response', (response) => {
        resolve(outcomeOf(response))
        // What it says beside the code is of no interest, and may be long.
        response.on('error', () => {}).destroy()
      })
      request.end(body)
    } catch (error) {
      // What no request can hold, such as a letter that headers cannot have.
      resolve({ kind: 'failed', reason: describeError(error), retryable: false })
    }
  })

function outcomeOf({ statusCode = 0, headers }: IncomingMessage): Outcome {
  if (statusCode >= 200 && statusCode < 300) return { kind: 'delivered' }
  const retryable = statusCode >= 500 || notNow.includes(statusCode)
  const afterMs = retryable ? retryAfterMs(headers['retry-after'], Date.now()) : undefined
  const failed = { kind: 'failed', reason: `HTTP ${statusCode}`, retryable } as const
  return afterMs === undefined ? failed : { ...failed, retryAfterMs: afterMs }
}

/** Seconds, or a date (RFC 9110, 10.2.3); undefined when it is neither. */
export function retryAfterMs(text: string | undefined, nowMs: number): number | undefined {
  if (text === undefined) return undefined
  if (/^\d+$/.test(text)) return Number(text) * 1000
  const date = Date.parse(text)
  return Number.isNaN(date) ? undefined : Math.max(0, date - nowMs)
}
