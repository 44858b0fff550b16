/** What each operation means in each state of a guest: the rules that every hypervisor keeps. Pure. */
import { InfraError } from '../errors.ts'
import type { GuestDefinition, GuestRunState } from './hypervisor.ts'

export type GuestOperation =
  | 'start'
  | 'shutdown'
  | 'destroy'
  | 'reboot'
  | 'pause'
  | 'unpause'
  | 'save'
  | 'console'
  | 'statistics'
  | 'screenshot'
  | 'migrate'
  | 'change'

/** `act`: the guest is changed. `done`: it already is as asked. `no`: the state does not allow it. */
type Verdict = 'act' | 'done' | 'no'

// A start ends in "it executes", so it resumes a paused guest; a destroy ends in `stopped`, so it drops saved memory and
// acknowledges a crash. A shutdown wakes a paused guest first, since it has to answer.
const rules: Readonly<Record<GuestOperation, Readonly<Record<GuestRunState, Verdict>>>> = {
  start: { running: 'done', paused: 'act', stopped: 'act', crashed: 'act', saved: 'act' },
  shutdown: { running: 'act', paused: 'act', stopped: 'done', crashed: 'act', saved: 'done' },
  destroy: { running: 'act', paused: 'act', stopped: 'done', crashed: 'act', saved: 'act' },
  reboot: { running: 'act', paused: 'no', stopped: 'no', crashed: 'no', saved: 'no' },
  pause: { running: 'act', paused: 'done', stopped: 'no', crashed: 'no', saved: 'no' },
  unpause: { running: 'done', paused: 'act', stopped: 'no', crashed: 'no', saved: 'no' },
  save: { running: 'act', paused: 'act', stopped: 'no', crashed: 'no', saved: 'done' },
  console: { running: 'act', paused: 'act', stopped: 'no', crashed: 'no', saved: 'no' },
  statistics: { running: 'act', paused: 'act', stopped: 'no', crashed: 'no', saved: 'no' },
  screenshot: { running: 'act', paused: 'act', stopped: 'no', crashed: 'no', saved: 'no' },
  migrate: { running: 'act', paused: 'act', stopped: 'no', crashed: 'no', saved: 'no' },
  // A paused guest cannot answer, and saved memory fits no other machine.
  change: { running: 'act', paused: 'no', stopped: 'act', crashed: 'act', saved: 'no' },
}

const hints: Readonly<Record<GuestRunState, string>> = {
  running: 'shut it down first',
  paused: 'unpause it first',
  stopped: 'start it first',
  crashed: 'start it first',
  saved: 'start it first: it goes on where it was saved',
}

/** Whether there is anything to do. @throws InfraError `invalid` when the guest's state does not allow the operation. */
export function mustAct(operation: GuestOperation, guest: string, state: GuestRunState): boolean {
  const verdict = rules[operation][state]
  if (verdict === 'no')
    throw new InfraError('invalid', `${operation} ${guest}: it is ${state}`, { subject: guest, hint: hints[state] })
  return verdict === 'act'
}

export function unknownGuest(name: string): InfraError {
  return new InfraError('not-found', `there is no guest ${name}`, {
    subject: name,
    hint: '`baton list` shows all guests',
  })
}

/** A running guest is what it was started as, except for what takes effect without a restart. */
export function standingDefinition(recorded: GuestDefinition, started: GuestDefinition): GuestDefinition {
  const { mark: _then, ...machine } = started
  const bothUser = started.network.kind === 'user' && recorded.network.kind === 'user'
  return {
    ...machine,
    autostart: recorded.autostart,
    network: bothUser ? recorded.network : started.network,
    ...(recorded.mark === undefined ? {} : { mark: recorded.mark }),
  }
}

/** Names become file names, host names and process names. */
const namePattern = /^[a-zA-Z0-9](?:[a-zA-Z0-9._-]{0,61}[a-zA-Z0-9])?$/

export function isGuestName(name: string): boolean {
  return namePattern.test(name)
}

/** @throws InfraError `invalid` for a definition that no hypervisor can run; the first fault is named. */
export function checkDefinition(definition: GuestDefinition): void {
  const fault = faultOf(definition)
  if (fault !== undefined)
    throw new InfraError('invalid', `define ${definition.name}: ${fault}`, { subject: definition.name })
}

function faultOf({ name, memoryBytes, vcpus, disks, network, boot }: GuestDefinition): string | undefined {
  if (!isGuestName(name)) return 'a name has 1 to 63 letters, digits, dots, dashes and underscores'
  if (!Number.isSafeInteger(memoryBytes) || memoryBytes < 1024 ** 2) return 'memory is at least 1M'
  if (!Number.isInteger(vcpus) || vcpus < 1 || vcpus > 255) return 'a guest has 1 to 255 vcpus'
  if (boot.kind === 'disk' && boot.disc === undefined && disks[0]?.base === undefined)
    return 'it boots from a disk, and its first disk is empty'
  for (const { base, sizeBytes } of disks)
    if (sizeBytes === undefined ? base === undefined : !Number.isSafeInteger(sizeBytes) || sizeBytes < 512)
      return 'an empty disk needs a size of at least 512 bytes'
  if (disks.some(({ base, isSwap }) => isSwap === true && base !== undefined)) return 'swap space has no base'
  if (network.kind === 'bridge') return undefined
  const seen = new Set<string>()
  for (const { protocol, port } of network.forwards) {
    if (!Number.isInteger(port) || port < 1 || port > 65535) return `port ${port} is not in 1 to 65535`
    if (seen.has(`${protocol} ${port}`)) return `${protocol} port ${port} is forwarded twice`
    seen.add(`${protocol} ${port}`)
  }
  return undefined
}
