import { describe, expect, test } from 'vitest'
import { openLiveBlock } from './live.ts'
import { choosePaint, colourPaint, plainPaint } from './paint.ts'

/** As much of a terminal as the live block uses: what stands on it after all that was written. */
function terminal(): { write(text: string): boolean; lines(): string[]; isCursorShown(): boolean } {
  let rows: string[] = ['']
  let at = 0
  let isCursorShown = true
  return {
    write(text) {
      for (const [piece, code, , plain] of text.matchAll(/(\p{Cc}\[([?\d]*)[A-Za-z])|([^\p{Cc}]+)|\p{Cc}/gu)) {
        if (piece === '\n') at += 1
        else if (code?.endsWith('A')) at -= Number(code.slice(2, -1))
        else if (code?.endsWith('J')) rows = [...rows.slice(0, at), '']
        else if (code?.endsWith('25l')) isCursorShown = false
        else if (code?.endsWith('25h')) isCursorShown = true
        else if (plain !== undefined) rows[at] = plain
        rows[at] ??= ''
      }
      return true
    },
    lines: () => rows,
    isCursorShown: () => isCursorShown,
  }
}

describe('live block', () => {
  test('is drawn in place, below lines that stay, and leaves nothing but those', () => {
    const surface = terminal()
    const block = openLiveBlock(surface)
    block.draw(['one', 'two'])
    expect(surface.lines()).toEqual(['one', 'two'])
    block.draw(['one', 'two'], ['stays'])
    expect(surface.lines()).toEqual(['stays', 'one', 'two'])
    block.draw(['three'])
    expect(surface.lines()).toEqual(['stays', 'three'])
    block.draw(['three'], ['stays, too'])
    expect(surface.isCursorShown()).toBe(false)
    block[Symbol.dispose]()
    expect(surface.lines()).toEqual(['stays', 'stays, too', ''])
    expect(surface.isCursorShown()).toBe(true)
  })

  test('the same picture twice writes nothing', () => {
    let written = 0
    const block = openLiveBlock({ write: () => (written += 1) > 0 })
    block.draw(['one'])
    const before = written
    block.draw(['one'])
    expect(written).toBe(before)
    block[Symbol.dispose]()
  })
})

describe('colours', () => {
  test.each([
    { name: 'on a terminal', isTerminal: true, environment: {}, paint: colourPaint },
    { name: 'not in a file', isTerminal: false, environment: {}, paint: plainPaint },
    { name: 'not with NO_COLOR', isTerminal: true, environment: { NO_COLOR: '1' }, paint: plainPaint },
    { name: 'an empty NO_COLOR says nothing', isTerminal: true, environment: { NO_COLOR: '' }, paint: colourPaint },
    { name: 'not on a dumb terminal', isTerminal: true, environment: { TERM: 'dumb' }, paint: plainPaint },
  ])('$name', ({ isTerminal, environment, paint }) => {
    expect(choosePaint(isTerminal, environment)).toBe(paint)
  })
})
