import { describe, expect, test } from 'vitest'
import { defaultTellingRules, type TellingRules, type TellingSubject, type Told, telling } from './telling.ts'

const subject: TellingSubject = {
  kind: 'connection',
  protocol: 'tcp',
  state: 'ESTABLISHED',
  isControlled: false,
  packets: 3,
  timeoutMs: 900_000,
}
const news: Told = { state: 'NONE', endsMs: 0, retries: 0 }

/** Which of a client's packets backups are told with, one a second. */
function toldWith(packets: number, over: Partial<TellingRules>, about: Partial<TellingSubject> = {}): number[] {
  const rules = { ...defaultTellingRules, ...over }
  let told = news
  const found: number[] = []
  for (let packet = 1; packet <= packets; packet++) {
    const next = telling({ ...subject, ...about, packets: packet }, told, rules, packet * 1000)
    if (next !== undefined) found.push(packet)
    told = next ?? told
  }
  return found
}

describe('when backups are told', () => {
  test('by the kernel’s defaults with the third packet, and each fiftieth from there', () => {
    expect(toldWith(120, {})).toEqual([3, 53, 103])
    expect(toldWith(120, {}, { protocol: 'udp', state: 'UDP' })).toEqual([3, 53, 103])
  })

  test('without a period once', () => {
    expect(toldWith(120, { period: 0, threshold: 5 })).toEqual([5])
  })

  test('with each packet of a template’s', () => {
    expect(toldWith(4, {}, { kind: 'template', state: 'NONE', timeoutMs: 300_000 })).toEqual([1, 2, 3, 4])
  })

  test('by a refresh period: when it ends so much later', () => {
    expect(toldWith(100, { refreshSeconds: 30, period: 0 })).toEqual([1, 31, 61, 91])
    // Half the timeout, but no less than ten seconds.
    expect(toldWith(30, { refreshSeconds: 300, period: 0 }, { timeoutMs: 8000 })).toEqual([2, 12, 22])
  })

  test('and some times more within it', () => {
    expect(toldWith(40, { refreshSeconds: 32, period: 0, retries: 2 })).toEqual([1, 5, 9])
  })

  test('at once of a turn for the end, whatever was counted', () => {
    const told: Told = { state: 'ESTABLISHED', endsMs: 900_000, retries: 1 }
    const turned = { ...subject, state: 'FIN_WAIT', packets: 17, timeoutMs: 120_000 } as const
    expect(telling(turned, told, defaultTellingRules, 5000)).toEqual({ state: 'FIN_WAIT', endsMs: 125_000, retries: 0 })
    expect(
      telling({ ...turned, state: 'ESTABLISHED' }, { ...told, state: 'SYN_RECV' }, defaultTellingRules, 0),
    ).toBeUndefined()
  })

  test('of nothing that has only begun, nor of what is under a template when templates are enough', () => {
    for (const state of ['SYN_RECV', 'LAST_ACK', 'SYN_SENT'] as const) expect(toldWith(10, {}, { state })).toEqual([])
    expect(toldWith(10, {}, { protocol: 'sctp', state: 'INIT' })).toEqual([])
    expect(toldWith(10, { persistentOnly: true }, { isControlled: true })).toEqual([])
    expect(toldWith(10, { persistentOnly: true })).toEqual([3])
  })
})
