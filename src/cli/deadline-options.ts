/** Every wait of a command ends: by Ctrl-C, or by its deadline. */
import { type Command, InvalidArgumentError } from 'commander'
import { parseDuration } from '../cluster/spec/duration.ts'

/** Questions that are answered at once, or not at all. */
export const askMs = 15_000

/** `90s` as milliseconds, for an option that may be 0. */
export function durationOption(text: string): number {
  const milliseconds = parseDuration(text)
  if (milliseconds === undefined) throw new InvalidArgumentError('a duration like 90s or 2m is wanted')
  return milliseconds
}

/** `--timeout 90s`, as milliseconds in the option `timeout`. */
export function addTimeoutOption(command: Command, defaultMs: number): Command {
  const parse = (text: string): number => {
    const milliseconds = durationOption(text)
    if (milliseconds === 0) throw new InvalidArgumentError('a duration like 90s or 2m is wanted')
    return milliseconds
  }
  return command.option('--timeout <duration>', `give up after (default ${defaultMs / 1000}s)`, parse, defaultMs)
}
