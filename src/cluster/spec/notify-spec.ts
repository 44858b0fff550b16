/** Those who are told of events: from the file's shape to the model, and back. */
import type { NotifySink } from '../../director/control.ts'
import { given } from './given.ts'
import type { SinkShape } from './notify-schema.ts'
import type { Written } from './written.ts'

const shell = ['/bin/sh', '-c'] as const

export function sinkSpecs(sinks: readonly SinkShape[] | undefined): NotifySink[] | undefined {
  if (sinks === undefined || sinks.length === 0) return undefined
  return sinks.map(({ webhook, headers, command, events }) => {
    const heard = given('events', events)
    if (webhook !== undefined) return { kind: 'webhook', url: webhook, ...given('headers', headers), ...heard }
    const argv = command === undefined ? [] : 'argv' in command ? command.argv : [...shell, command.shell]
    return { kind: 'command', argv, ...heard }
  })
}

export function sinkText(sink: NotifySink): Written {
  const { events } = sink
  if (sink.kind === 'webhook') return { webhook: sink.url, headers: sink.headers, events }
  const [program, option, line = '', ...more] = sink.argv
  const isLine = program === shell[0] && option === shell[1] && more.length === 0 && line.trim() !== ''
  return { command: isLine ? line : sink.argv, events }
}
