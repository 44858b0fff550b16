import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { emptyBuffer, encodeCommand, feed, maxLineLength, type QmpMessage } from './qmp.ts'
import { WireError } from './wire-error.ts'

function feedAll(chunks: readonly string[]): QmpMessage[] {
  let buffer = emptyBuffer
  return chunks.flatMap((chunk) => {
    const fed = feed(buffer, chunk)
    buffer = fed.buffer
    return fed.messages
  })
}

/** Cuts a text at the given places. */
function cut(text: string, places: readonly number[]): string[] {
  const at = [0, ...places.map((place) => place % (text.length + 1)).sort((a, b) => a - b), text.length]
  return at.slice(1).map((end, index) => text.slice(at[index], end))
}

const value = fc.jsonValue()
const record = fc.dictionary(fc.string(), value)
const message: fc.Arbitrary<QmpMessage> = fc.oneof(
  fc.constant({ kind: 'greeting' as const }),
  fc.record({ kind: fc.constant('return' as const), id: fc.option(fc.nat(), { nil: undefined }), value }),
  fc.record({
    kind: fc.constant('error' as const),
    id: fc.option(fc.nat(), { nil: undefined }),
    class: fc.string(),
    description: fc.string(),
  }),
  fc.record({ kind: fc.constant('event' as const), name: fc.string(), data: record }),
)

/** As QEMU prints them; `{"return": undefined}` is no JSON, so such a value is null. */
function print(sent: QmpMessage): string {
  switch (sent.kind) {
    case 'greeting':
      return '{"QMP": {"version": {}, "capabilities": ["oob"]}}\r\n'
    case 'return':
      return `${JSON.stringify({ return: sent.value, id: sent.id })}\r\n`
    case 'error':
      return `${JSON.stringify({ error: { class: sent.class, desc: sent.description }, id: sent.id })}\r\n`
    case 'event':
      return `${JSON.stringify({ timestamp: { seconds: 1 }, event: sent.name, data: sent.data })}\r\n`
  }
}

describe('qmp framing', () => {
  test('what is sent comes out whole, however the stream is cut', () => {
    fc.assert(
      fc.property(fc.array(message), fc.array(fc.nat()), (sent, places) => {
        const expected = sent.map((one) => JSON.parse(JSON.stringify(one)) as unknown)
        const got = feedAll(cut(sent.map(print).join(''), places))
        expect(got.map((one) => JSON.parse(JSON.stringify(one)) as unknown)).toEqual(expected)
      }),
    )
  })

  test('random text gives messages or one WireError, never anything else', () => {
    const line = fc.oneof(
      fc.string(),
      value.map((json) => JSON.stringify(json)),
      fc.constant('{"event": 7}'),
    )
    fc.assert(
      fc.property(fc.array(line), fc.array(fc.nat()), (lines, places) => {
        try {
          feedAll(cut(lines.join('\n'), places))
        } catch (error) {
          expect(error).toBeInstanceOf(WireError)
        }
      }),
    )
  })

  test.each([
    { name: 'text', input: 'SSH-2.0-OpenSSH\n', offset: 0 },
    { name: 'an array', input: '{"return":{}}\n[1]\n', offset: 14 },
    { name: 'an object of another protocol', input: '{"jsonrpc":"2.0"}\n', offset: 0 },
  ])('$name is no QMP, and the error says where', ({ input, offset }) => {
    expect(() => feedAll([input])).toThrow(expect.objectContaining({ name: 'WireError', offset }))
  })

  test('a line without end is not held for ever', () => {
    const chunk = 'x'.repeat(1024 * 1024)
    expect(() => feedAll(Array.from({ length: maxLineLength / chunk.length + 1 }, () => chunk))).toThrow(WireError)
  })

  test('a command is one line', () => {
    expect(encodeCommand(3, 'quit')).toBe('{"execute":"quit","id":3}\n')
    expect(encodeCommand(4, 'migrate', { uri: 'a\nb' })).toBe(
      '{"execute":"migrate","arguments":{"uri":"a\\nb"},"id":4}\n',
    )
  })
})
