/** After the start: the guest's console, the wait for the end of its installation, and the first start of what came of it. */
import { spawn } from 'node:child_process'
import { anySignal } from '../../deadline.ts'
import { isInfraError } from '../../errors.ts'
import { elementAt, parseXml, valueAt } from '../../formats/domain-xml/document.ts'
import type { Connection } from '../../guests/libvirt/connection.ts'
import { onLifecycle } from '../../guests/libvirt/domain-events.ts'
import type { Domain } from '../../guests/libvirt/observe.ts'
import type { Built } from './build.ts'
import { Refusal } from './refusal.ts'

type CallOptions = { readonly signal: AbortSignal }

export type FollowWishes = {
  readonly uri: string
  /** `default`: what the guest has. */
  readonly console: 'default' | 'text' | 'graphical' | 'none'
  /** Minutes; below 0: until it ends; undefined: no longer than the console is open. */
  readonly wait: number | undefined
  readonly noReboot: boolean
  readonly transient: boolean
  readonly destroyOnExit: boolean
}

const askMs = 30_000
const minuteMs = 60_000
/** virDomainState, virDomainShutoffReason: somebody ended or saved it. */
const shutoff = 5
const byHand: readonly number[] = [2, 5]

const say = (text: string): void => void process.stdout.write(`${text}\n`)
const warn = (text: string): void => void process.stderr.write(`WARNING  ${text}\n`)

/** Resolves to the exit code. `domain` runs, or was only defined. */
export async function followGuest(
  connection: Connection,
  domain: Domain,
  built: Built,
  wishes: FollowWishes,
  { signal }: CallOptions,
): Promise<number> {
  const ended = new AbortController()
  const ignore = await onLifecycle(connection, ({ name, event }) => {
    if (name === domain.name && event === stopped) ended.abort()
  })
  try {
    const console = consoleOf(built, wishes)
    const opens = console !== undefined
    const isWaiting = wishes.wait !== undefined || (!opens && wishes.console === 'default')
    if (isWaiting && wishes.wait === undefined) warn('No console to launch for the guest, defaulting to --wait -1')
    if (console !== undefined) await runConsole(console, wishes.wait === undefined)
    if ((await stateOf(connection, domain)).isActive) {
      const wait = isWaiting ? (wishes.wait ?? -1) : undefined
      const goesOn = await waitForEnd(built, wait, anySignal(ended.signal, connection.lost), signal)
      if (goesOn !== undefined) return goesOn
    }
    say('Domain creation completed.')
    return await startAgain(connection, domain, built, wishes)
  } finally {
    ignore()
    if (wishes.destroyOnExit) await destroy(connection, domain)
  }
}

/** virDomainEventType. */
const stopped = 5

/** Resolves to the exit code when there is nothing more to do; undefined: go on. */
async function waitForEnd(
  { hasInstallPhase }: Built,
  wait: number | undefined,
  ended: AbortSignal,
  signal: AbortSignal,
): Promise<number | undefined> {
  if (wait === undefined && !hasInstallPhase) return undefined
  say('\nDomain is still running. Installation may be in progress.')
  if (wait === undefined) {
    say('You can reconnect to the console to complete the installation process.')
    return 0
  }
  const limit = wait < 0 ? undefined : AbortSignal.timeout(wait * minuteMs)
  say(
    wait < 0
      ? 'Waiting for the installation to complete.'
      : `Waiting ${wait} ${wait === 1 ? 'minute' : 'minutes'} for the installation to complete.`,
  )
  const any = anySignal(ended, signal, ...(limit === undefined ? [] : [limit]))
  // A timer of its own keeps the process alive: signals do not.
  const alive = setInterval(() => {}, minuteMs)
  if (!any.aborted) await new Promise<void>((resolve) => any.addEventListener('abort', () => resolve(), { once: true }))
  clearInterval(alive)
  if (signal.aborted) throw new Refusal('Domain install interrupted.')
  if (ended.aborted) {
    say('Domain has shutdown. Continuing.')
    return undefined
  }
  say('Installation has exceeded specified time limit. Exiting application.')
  return 1
}

async function startAgain(
  connection: Connection,
  domain: Domain,
  { hasInstallPhase, name }: Built,
  { uri, noReboot, transient, destroyOnExit }: FollowWishes,
): Promise<number> {
  const { isActive, endedByHand } = await stateOf(connection, domain)
  if (transient || isActive) return 0
  if (noReboot || !hasInstallPhase)
    say(`You can restart your domain by running:\n  virsh --connect ${uri} start ${name}`)
  else if (endedByHand && !destroyOnExit) say('User stopped the VM. Not rebooting.')
  else {
    say('Restarting guest.')
    await connection.call('domainCreateWithFlags', [domain, 0], { signal: AbortSignal.timeout(askMs) })
  }
  return 0
}

/** A transient guest that ended is not there any more. */
async function stateOf(
  connection: Connection,
  domain: Domain,
): Promise<{ readonly isActive: boolean; readonly endedByHand: boolean }> {
  try {
    const [state, reason] = await connection.call('domainGetState', [domain, 0], { signal: AbortSignal.timeout(askMs) })
    if (state === crashed) throw new Refusal('Domain has crashed.')
    return { isActive: state !== shutoff, endedByHand: state === shutoff && byHand.includes(reason) }
  } catch (error) {
    if (isInfraError(error, 'not-found')) return { isActive: false, endedByHand: false }
    throw error
  }
}

const crashed = 6

async function destroy(connection: Connection, domain: Domain): Promise<void> {
  if (!(await stateOf(connection, domain)).isActive) return
  await connection.call('domainDestroyFlags', [domain, 0], { signal: AbortSignal.timeout(askMs) })
}

/** The command that shows the guest; undefined: none. */
function consoleOf({ install, final, name }: Built, { console, uri }: FollowWishes): readonly string[] | undefined {
  const domain = parseXml(install ?? final)
  const isSeeded = elementAt(domain, "./sysinfo/system/entry[@name='serial']")?.textContent === 'ds=nocloud'
  const graphics = valueAt(domain, './devices/graphics/@type')
  const kind = console !== 'default' ? console : isSeeded || graphics === undefined ? 'text' : 'graphical'
  if (kind === 'none') return undefined
  if (kind === 'graphical' && (process.env['DISPLAY'] ?? '') === '') {
    warn('Graphics requested but DISPLAY is not set. Not running virt-viewer.')
    return undefined
  }
  if (kind === 'graphical') return ['virt-viewer', '--connect', uri, '--wait', name]
  if (process.stdin.isTTY) return ['virsh', '--connect', uri, 'console', name]
  warn('There is no terminal to show the console on.')
  return undefined
}

async function runConsole([command = '', ...words]: readonly string[], untilItEnds: boolean): Promise<void> {
  const child = spawn(command, words, { stdio: 'inherit', detached: !untilItEnds })
  const end = new Promise<number | null>((resolve) => {
    child.once('error', () => resolve(127))
    child.once('close', resolve)
  })
  if (!untilItEnds) return child.unref()
  if ((await end) !== 0) warn('Console command returned failure.')
}
