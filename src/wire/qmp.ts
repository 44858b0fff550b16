/** QEMU Machine Protocol framing: newline-delimited JSON objects (qemu docs/interop/qmp-spec.rst). */
import { WireError } from './wire-error.ts'

export type QmpMessage =
  | { readonly kind: 'greeting' }
  | { readonly kind: 'return'; readonly id: number | undefined; readonly value: unknown }
  | { readonly kind: 'error'; readonly id: number | undefined; readonly class: string; readonly description: string }
  | { readonly kind: 'event'; readonly name: string; readonly data: Readonly<Record<string, unknown>> }

/** Longer than any answer QEMU gives; a peer that sends more without a newline is not QEMU. */
export const maxLineLength = 4 * 1024 * 1024

/** What came without its newline yet, and how many characters were read before it. */
export type QmpBuffer = { readonly pending: string; readonly consumed: number }

export const emptyBuffer: QmpBuffer = { pending: '', consumed: 0 }

export type Fed = { readonly buffer: QmpBuffer; readonly messages: readonly QmpMessage[] }

/** Takes the next piece of the stream; gives the messages that it completes. @throws WireError for anything but QMP. */
export function feed(buffer: QmpBuffer, chunk: string): Fed {
  // Only the new piece is searched: a long line in small pieces stays cheap.
  const lines = chunk.split('\n')
  const [head = '', ...rest] = lines
  const first = buffer.pending + head
  if (first.length > maxLineLength) throw tooLong(buffer.consumed)
  if (rest.length === 0) return { buffer: { pending: first, consumed: buffer.consumed }, messages: [] }
  const pending = rest.pop() ?? ''
  const messages: QmpMessage[] = []
  let at = buffer.consumed
  for (const line of [first, ...rest]) {
    if (line.length > maxLineLength) throw tooLong(at)
    if (line.trim() !== '') messages.push(decodeLine(line, at))
    at += line.length + 1
  }
  if (pending.length > maxLineLength) throw tooLong(at)
  return { buffer: { pending, consumed: at }, messages }
}

export function encodeCommand(id: number, command: string, args?: Readonly<Record<string, unknown>>): string {
  return `${JSON.stringify(args === undefined ? { execute: command, id } : { execute: command, arguments: args, id })}\n`
}

function tooLong(offset: number): WireError {
  return new WireError(offset, `a line of more than ${maxLineLength} characters`)
}

function decodeLine(line: string, offset: number): QmpMessage {
  const value = parseObject(line, offset)
  const id = typeof value['id'] === 'number' ? value['id'] : undefined
  const { error, event, data } = value
  if ('return' in value) return { kind: 'return', id, value: value['return'] }
  if (isRecord(error)) return { kind: 'error', id, class: text(error['class']), description: text(error['desc']) }
  if (typeof event === 'string') return { kind: 'event', name: event, data: isRecord(data) ? data : {} }
  if ('QMP' in value) return { kind: 'greeting' }
  throw new WireError(offset, 'expected a greeting, a return, an error or an event')
}

function parseObject(line: string, offset: number): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    value = undefined
  }
  if (isRecord(value)) return value
  throw new WireError(offset, 'expected a JSON object')
}

const text = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value ?? null))

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
