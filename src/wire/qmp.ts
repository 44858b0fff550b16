/** QEMU Machine Protocol framing: newline-delimited JSON objects (qemu docs/interop/qmp-spec.rst). */
import { WireError } from './wire-error.ts'

export type QmpMessage =
  | { readonly kind: 'greeting' }
  | { readonly kind: 'return'; readonly id: number | undefined; readonly value: unknown }
  | { readonly kind: 'error'; readonly id: number | undefined; readonly class: string; readonly description: string }
  | { readonly kind: 'event'; readonly name: string; readonly data: Readonly<Record<string, unknown>> }

/** Longer than any answer QEMU gives; a peer that sends more without a newline is not QEMU. */
export const maxLineBytes = 16 * 1024 * 1024

/** What came without its newline yet, and how many bytes were read before it. */
export type QmpBuffer = { readonly pending: string; readonly consumed: number }

export const emptyBuffer: QmpBuffer = { pending: '', consumed: 0 }

/** Takes the next piece of the stream; gives the messages that it completes. @throws WireError */
export function feed(
  buffer: QmpBuffer,
  chunk: string,
): { readonly buffer: QmpBuffer; readonly messages: readonly QmpMessage[] } {
  const lines = (buffer.pending + chunk).split('\n')
  const pending = lines.pop() ?? ''
  if (pending.length > maxLineBytes) throw new WireError(buffer.consumed, `a line of more than ${maxLineBytes} bytes`)
  const messages: QmpMessage[] = []
  let at = buffer.consumed
  for (const line of lines) {
    if (line.trim() !== '') messages.push(decodeLine(line, at))
    at += line.length + 1
  }
  return { buffer: { pending, consumed: at }, messages }
}

export function encodeCommand(id: number, command: string, args?: Readonly<Record<string, unknown>>): string {
  return `${JSON.stringify(args === undefined ? { execute: command, id } : { execute: command, arguments: args, id })}\n`
}

function decodeLine(line: string, offset: number): QmpMessage {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    throw new WireError(offset, 'expected a JSON object')
  }
  if (!isRecord(value)) throw new WireError(offset, 'expected a JSON object')
  const id = typeof value['id'] === 'number' ? value['id'] : undefined
  const { error, event, data } = value
  if ('return' in value) return { kind: 'return', id, value: value['return'] }
  if (isRecord(error)) return { kind: 'error', id, class: String(error['class']), description: String(error['desc']) }
  if (typeof event === 'string') return { kind: 'event', name: event, data: isRecord(data) ? data : {} }
  if ('QMP' in value) return { kind: 'greeting' }
  throw new WireError(offset, 'expected a greeting, a return, an error or an event')
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
