/** The shape of those who are told of events: every key with its meaning. */
import * as z from 'zod'
import { eventKinds } from '../../director/events.ts'
import { command, headers } from './check-schema.ts'
import { choice, endpoint, leaf, type Refusal } from './leaf.ts'
import { map } from './map.ts'

const urlExpected = 'a URL such as https://hooks.example.org/baton'

const url = leaf(urlExpected, { type: 'string', pattern: '^https?://' }, (value): string | Refusal | undefined => {
  if (typeof value !== 'string') return undefined
  return /^https?:\/\/[\x21-\x7e]+$/i.test(value) && URL.canParse(value) ? value : undefined
})

const sink = map({
  webhook: url.optional().describe('Each event is sent here by POST, as JSON; 2xx says that it was taken.'),
  headers: headers.optional().describe('Headers for it, with webhook: their names and values.'),
  command: command()
    .optional()
    .describe(
      'What is run for each event: a shell line, or a list of a program and its arguments. Exit code 0: taken.',
    ),
  events: z
    .array(choice('event', eventKinds))
    .optional()
    .describe('The kinds of events; left out, all but check.result.'),
})

export type SinkShape = z.output<typeof sink>

/** Exactly one of these says what a sink is; each other key goes with some of them. */
export const sinkKinds = { webhook: ['headers', 'events'], command: ['events'] }

export const notify = z
  .array(sink)
  .optional()
  .describe("Who is told of this cluster's events, each in order and tried again when it fails.")

export const metrics = endpoint('an address and port such as 127.0.0.1:9600')
  .optional()
  .describe('Where Prometheus finds /metrics, over TCP and for everybody who can reach it.')
