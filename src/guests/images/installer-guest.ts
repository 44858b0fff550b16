/** The guest in which a disc installs: no name, no definition, nothing kept but its disk. Its end is the end of the installation. */
import { setTimeout as sleep } from 'node:timers/promises'
import { stripVTControlCharacters } from 'node:util'
import { anySignal } from '../../deadline.ts'
import { InfraError, isInfraError } from '../../errors.ts'
import { findAcceleration } from '../qemu/acceleration.ts'
import { runBoundQemu } from '../qemu/program.ts'
import type { Recipe } from './recipe.ts'

export type InstallerGuest = {
  readonly disc: string
  /** An empty qcow2. */
  readonly disk: string
  readonly memoryBytes: number
  /** Booted in place of the disc. */
  readonly kernel?: { readonly path: string; readonly initrd: string; readonly cmdline: string }
  /** A second disc. */
  readonly seed?: string
}

const lookMs = 1_000
const lastLines = 12

/**
 * Until it powers off, or restarts: what restarts would boot what was installed. @throws InfraError with the last that its
 * console said when QEMU fails, the installer's kernel panics, or the recipe's signal ends it.
 */
export async function runInstaller(guest: InstallerGuest, recipe: Recipe): Promise<void> {
  const { host, scratch, signal } = recipe
  const consoleLog = `${scratch}/console.log`
  const { kind } = await findAcceleration(host, { signal })
  const ended = new AbortController()
  const panicked = new AbortController()
  const watch = watchConsole(consoleLog, recipe, ended.signal, () => panicked.abort())
  const fail = async (what: string, code: 'failed' | 'timeout' | 'cancelled', cause?: unknown): Promise<never> => {
    const said = await consoleEnd(consoleLog, recipe)
    const last = said.length === 0 ? 'its console said nothing' : `its console said last:\n${said.join('\n')}`
    throw new InfraError(code, `install from ${guest.disc}: ${what}; ${last}`, { subject: guest.disc, cause })
  }
  try {
    const args = installerArguments(guest, consoleLog, kind)
    const result = await runBoundQemu(host, args, { signal: anySignal(signal, panicked.signal) })
    if (result.code !== 0) await fail(`QEMU ended with code ${result.code}: ${result.stderr.trim()}`, 'failed')
  } catch (error) {
    if (panicked.signal.aborted) await fail('its kernel panicked', 'failed', error)
    if (isInfraError(error, 'timeout'))
      await fail('it did not power itself off before the deadline (--timeout)', 'timeout', error)
    throw error
  } finally {
    ended.abort()
    await watch
  }
}

function installerArguments(guest: InstallerGuest, consoleLog: string, acceleration: 'kvm' | 'tcg'): string[] {
  const { kernel, seed } = guest
  const drive = (path: string, id: string): string[] => [
    ...['-drive', `file=${value(path)},format=raw,media=cdrom,if=none,id=${id},readonly=on`],
    ...['-device', `ide-cd,drive=${id}${id === 'disc' ? ',bootindex=2' : ''}`],
  ]
  return [
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot', '-machine', 'q35'],
    ...(acceleration === 'kvm' ? ['-accel', 'kvm', '-cpu', 'host'] : ['-accel', 'tcg', '-cpu', 'max']),
    ...['-smp', '2', '-m', `${Math.ceil(guest.memoryBytes / 1024 ** 2)}M`],
    ...['-object', 'rng-random,id=rng0,filename=/dev/urandom', '-device', 'virtio-rng-pci,rng=rng0'],
    ...['-serial', `file:${consoleLog}`, '-device', 'VGA'],
    // Nobody reads the disk before QEMU has ended in order: what the installer flushes need not wait for the host's disk.
    ...[
      '-drive',
      `file=${value(guest.disk)},format=qcow2,if=none,id=disk,cache=unsafe,discard=unmap,detect-zeroes=unmap`,
    ],
    ...['-device', 'virtio-blk-pci,drive=disk,bootindex=1'],
    ...drive(guest.disc, 'disc'),
    ...(seed === undefined ? [] : drive(seed, 'seed')),
    ...(kernel === undefined ? [] : ['-kernel', kernel.path, '-initrd', kernel.initrd, '-append', kernel.cmdline]),
    ...['-nic', 'user,model=virtio-net-pci'],
  ]
}

async function watchConsole(path: string, recipe: Recipe, ended: AbortSignal, onPanic: () => void): Promise<void> {
  for (let before = ''; !ended.aborted; ) {
    await sleep(lookMs, undefined, { signal: ended }).catch(() => {})
    const said = await consoleEnd(path, recipe)
    const last = said.at(-1) ?? ''
    if (said.some((line) => line.includes('Kernel panic - not syncing'))) return onPanic()
    if (last !== '' && last !== before) recipe.progress(`installing: ${last}`)
    before = last
  }
}

/** The last lines with something in them, without what moves a terminal's cursor. */
async function consoleEnd(path: string, { host }: Recipe): Promise<readonly string[]> {
  const { stdout } = await host.run(['tail', '-c', '4000', '--', path], { signal: AbortSignal.timeout(10_000) })
  return stripVTControlCharacters(stdout)
    .split(/[\r\n]+/)
    .map((line) => line.replaceAll(/\p{Cc}/gu, '').trim())
    .filter((line) => line !== '')
    .slice(-lastLines)
}

/** QEMU doubles commas inside an option's value. */
const value = (text: string): string => text.replaceAll(',', ',,')
