import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Handful, Inbox } from './inbox.ts'

function messagesOf({ bytes, ends }: Handful): Uint8Array[] {
  return ends.map((end, index) => bytes.slice(ends[index - 1] ?? 0, end))
}

describe('messages on their way to the engine', () => {
  test('come out in their order, whole, one handful at a time', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ minLength: 1, maxLength: 70_000 }), { maxLength: 20 }), (messages) => {
        const inbox = new Inbox()
        for (const message of messages) expect(inbox.put(message)).toBe(true)
        const out: Uint8Array[] = []
        for (let handful = inbox.next(); handful !== undefined; handful = inbox.next()) {
          expect(inbox.next()).toBeUndefined()
          out.push(...messagesOf(handful))
          inbox.taken()
        }
        expect(out).toEqual(messages)
        expect(inbox.bytes).toBe(0)
      }),
      { numRuns: 50 },
    )
  })

  test('hold no more than they may, whatever comes', () => {
    const inbox = new Inbox()
    const message = new Uint8Array(60_000)
    let kept = 0
    for (let sent = 0; sent < 1000; sent++) kept += Number(inbox.put(message))
    expect(kept).toBe(139)
    expect(inbox.bytes).toBeLessThanOrEqual(8 * 1024 * 1024)
    expect(inbox.next()?.ends.length).toBe(4)
    expect(inbox.put(message)).toBe(true)
  })

  test.each([
    { name: 'bytes', memory: Uint8Array.of(1, 2, 3) },
    { name: 'a Buffer', memory: Buffer.of(1, 2, 3) },
  ])('a message is what it was when it came: $name', ({ memory }) => {
    const inbox = new Inbox()
    inbox.put(memory)
    memory.fill(0)
    expect(inbox.next()?.bytes).toEqual(Uint8Array.of(1, 2, 3))
  })
})
