/** Scheduler flags (ipvsadm -b): three bits of a service that some schedulers have names of their own for. */
import { refuse } from './command.ts'

const own: Readonly<Record<string, readonly string[]>> = {
  sh: ['sh-fallback', 'sh-port'],
  mh: ['mh-fallback', 'mh-port'],
}
const general = ['flag-1', 'flag-2', 'flag-3']

/**
 * The flags by the names that fit the scheduler, in the order of their bits.
 * @throws LineRefused for a flag that nobody or only another scheduler knows
 */
export function parseFlags(text: string, scheduler: string): readonly string[] {
  const names = text.split(',').filter((name) => name !== '')
  // The real program crashes on this; nothing may be taken for a service that was not said.
  if (names.length === 0 && text !== '') refuse(`invalid scheduler flag \`${text}'`)
  const bits = names.map((name) => flagBit(name, scheduler))
  return general.map((name, bit) => own[scheduler]?.[bit] ?? name).filter((_, bit) => bits.includes(bit))
}

function flagBit(name: string, scheduler: string): number {
  for (const [owner, flags] of Object.entries(own)) {
    const bit = flags.indexOf(name)
    if (bit < 0) continue
    if (owner !== scheduler) refuse(`incompatible scheduler flag \`${name}'`)
    return bit
  }
  const bit = general.indexOf(name)
  if (bit < 0) refuse(`invalid scheduler flag \`${name}'`)
  return bit
}

/** As listings print them: schedulers with names of their own have none for the third flag. */
export function printedFlags(flags: readonly string[], scheduler: string): string {
  const names = own[scheduler]
  return (names === undefined ? flags : flags.filter((flag) => names.includes(flag))).join(',')
}
