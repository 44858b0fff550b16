import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, test } from 'vitest'
import { anySignal, within } from './deadline.ts'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

describe('deadlines', () => {
  test.each([
    { name: 'a deadline', signal: (outer: AbortSignal) => within(outer, 60) },
    { name: 'a deadline inside another signal', signal: (outer: AbortSignal) => anySignal(outer, within(outer, 60)) },
  ])('$name survives the garbage collection', async ({ signal }) => {
    const limit = signal(new AbortController().signal)
    const waiting = sleep(3_000, undefined, { signal: limit })
    const collecting = setInterval(collectGarbage, 10)
    await expect(waiting).rejects.toMatchObject({ name: 'AbortError' })
    clearInterval(collecting)
    expect(limit.reason).toMatchObject({ name: 'TimeoutError' })
  })

  test('the outer signal ends it with its own reason', () => {
    const controller = new AbortController()
    const limit = within(controller.signal, 1_000)
    controller.abort('enough')
    expect(limit.reason).toBe('enough')
  })
})
