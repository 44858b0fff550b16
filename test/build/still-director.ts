/** A director whose time stands still and that probes nothing: for what is edited by hand only. */
import { type Director, openDirector } from '../../src/director/director.ts'
import { memoryEditJournal } from '../../src/director/edit-journal.ts'
import { emptyIntent, memoryIntentStore } from '../../src/director/intent.ts'
import type { Engine } from '../../src/engines/engine.ts'
import { fakeTiming } from '../../src/health/fake-timing.ts'

export function openStillDirector(engine: Engine): Promise<Director> {
  return openDirector({
    engine,
    intent: memoryIntentStore(emptyIntent),
    journal: memoryEditJournal(),
    timing: fakeTiming(),
    now: () => new Date(0),
    onEvent: () => {},
    onStop: () => {},
    openProbe: () => () => Promise.reject(new Error('nothing is probed here')),
  })
}
