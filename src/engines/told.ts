/**
 * What backups know of many connections, for engines that look for changes from time to time. Looks come in passes: each
 * makes the next one's memory anew, so that what is gone is forgotten without being looked for. Pure.
 */
import { refreshMs, type TellingRules } from '../lvs/telling.ts'

/** One that is looked at. Times in seconds, on any clock that only goes on. */
export type Seen = {
  /** Any numbers of 32 bits by which it is known again; the second may be wanting. */
  readonly id: number
  readonly check: number
  /** Below 255. */
  readonly state: number
  readonly endsSeconds: number
  readonly timeoutSeconds: number
  /**
   * What backups are told of one that they do not know: `always`; `later`, when it is heard from again (of protocols
   * without a greeting, where most are over with one answer); `never`, as it is over, or has only begun.
   */
  readonly news: 'always' | 'later' | 'never'
  /** Backups are told of it in this state. */
  readonly isTold: boolean
}

/** In words of 32 bits: id, check and state, end. */
const slotWords = 3
const seenState = 255
const leastSlots = 1024
const fullest = 0.75

export class ToldTable {
  #before = new Uint32Array(slotWords * leastSlots)
  #now = new Uint32Array(slotWords * leastSlots)
  #entries = 0

  /** Begins a pass over about so many. */
  begin(count: number): void {
    ;[this.#before, this.#now] = [this.#now, this.#before]
    const slots = 2 ** Math.ceil(Math.log2(Math.max(2 * count, leastSlots)))
    if (this.#now.length === slotWords * slots) this.#now.fill(0)
    else this.#now = new Uint32Array(slotWords * slots)
    this.#entries = 0
  }

  /** Whether backups are to be told of it now; from then on they know it so. */
  isDue(seen: Seen, rules: Pick<TellingRules, 'refreshSeconds'>, nowSeconds: number): boolean {
    const check = seen.check & 0xff_ffff
    const at = find(this.#before, seen.id, check)
    const state = at < 0 ? undefined : (this.#before[at + 1] ?? 0) >>> 24
    const ends = at < 0 ? 0 : (this.#before[at + 2] ?? 0)
    const isDue = state === undefined ? seen.news === 'always' : isChange(seen, state, ends, rules, nowSeconds)
    if (isDue) this.#remember(seen.id, check, seen.state, seen.endsSeconds)
    else if (state !== undefined) this.#remember(seen.id, check, state, ends)
    else if (seen.news === 'later') this.#remember(seen.id, check, seenState, seen.endsSeconds)
    return isDue
  }

  /** What there is no room for is told once more. */
  #remember(id: number, check: number, state: number, ends: number): void {
    const table = this.#now
    if (this.#entries * slotWords >= table.length * fullest) return
    let at = placeOf(table, id)
    while (table[at + 1] !== 0) at = at + slotWords === table.length ? 0 : at + slotWords
    table[at] = id
    // 0 is an empty place.
    table[at + 1] = ((state << 24) | check | 1) >>> 0
    table[at + 2] = ends
    this.#entries += 1
  }
}

/** Another state; or it stands longer than backups know, and they would not wait for long. */
function isChange(
  { state, endsSeconds, timeoutSeconds, isTold }: Seen,
  toldState: number,
  toldEnds: number,
  { refreshSeconds }: Pick<TellingRules, 'refreshSeconds'>,
  nowSeconds: number,
): boolean {
  if (!isTold) return false
  const later = endsSeconds - toldEnds
  if (toldState === seenState) return later > 0
  if (state !== toldState) return true
  if (later <= 0) return false
  const isSoonOver = toldEnds - nowSeconds < timeoutSeconds / 2
  return isSoonOver || (refreshSeconds > 0 && later * 1000 >= refreshMs(timeoutSeconds * 1000, refreshSeconds))
}

function find(table: Uint32Array, id: number, check: number): number {
  let at = placeOf(table, id)
  for (;;) {
    const second = table[at + 1] ?? 0
    if (second === 0) return -1
    if (table[at] === id && (second & 0xff_ffff) === (check | 1)) return at
    at = at + slotWords === table.length ? 0 : at + slotWords
  }
}

function placeOf(table: Uint32Array, id: number): number {
  const slots = table.length / slotWords
  return ((Math.imul(id, 0x9e37_79b1) >>> 0) & (slots - 1)) * slotWords
}
