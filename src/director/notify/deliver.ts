/** One try to tell a sink of one event. */
import { assertNever } from '../../errors.ts'
import type { NotifySink } from '../control.ts'
import { runForEvent } from './command.ts'
import type { Deliver } from './sink.ts'
import { postEvent } from './webhook.ts'

/** How long one try may take. */
export const patienceMs: Readonly<Record<NotifySink['kind'], number>> = { webhook: 10_000, command: 30_000 }

export const deliver: Deliver = (sink, record, options) => {
  switch (sink.kind) {
    case 'webhook':
      return postEvent(sink, record, options)
    case 'command':
      return runForEvent(sink, record, options)
    default:
      return assertNever(sink)
  }
}
