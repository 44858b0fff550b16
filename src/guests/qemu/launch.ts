/** Starting a QEMU process, from a definition or from saved memory. */
import { setTimeout as sleep } from 'node:timers/promises'
import { InfraError, isInfraError } from '../../errors.ts'
import type { Host, RunResult } from '../../hosts/host.ts'
import type { GuestDefinition, GuestReach } from '../hypervisor.ts'
import { findAcceleration } from './acceleration.ts'
import { qemuArguments, tapName } from './arguments.ts'
import type { GuestPaths } from './paths.ts'
import { openQmp } from './qmp.ts'
import { addTap, removeTap } from './tap.ts'
import { parseForwards } from './user-network.ts'

/** sun_path of unix(7), less its terminating zero. */
const maxSocketPathBytes = 107

/** The caller holds the guest's lock and has seen that it does not run. */
export async function launchGuest(
  host: Host,
  guest: GuestDefinition,
  paths: GuestPaths,
  options: { readonly signal: AbortSignal; readonly restore: boolean },
): Promise<void> {
  const { signal, restore } = options
  for (const path of [paths.control, paths.console])
    if (Buffer.byteLength(path) > maxSocketPathBytes)
      throw new InfraError('invalid', `${path} is too long for a socket (${maxSocketPathBytes} bytes at most)`, {
        subject: guest.name,
        hint: 'choose a shorter BATON_RUNTIME_DIR or guest name',
      })
  const acceleration = await findAcceleration(host, { signal })
  // A crashed run may have left sockets and a pid file.
  await host.remove(paths.runtime, { signal })
  await host.makeDirectory(paths.runtime, { signal, mode: 0o700 })
  await host.writeFile(paths.started, JSON.stringify(guest), { signal })
  const tap = tapName(guest.name)
  if (guest.network.kind === 'bridge') await addTap(host, tap, guest.network.bridge, { signal })
  const command = (ports: readonly GuestReach[]): string[] =>
    qemuArguments(guest, { acceleration: acceleration.kind, paths, ports, tap, restore })
  try {
    const ports = await lastPorts(host, paths, signal)
    let result = await runQemu(host, command(ports), signal)
    // Somebody else has a port of the last run: the kernel chooses another.
    if (result.code !== 0 && ports.length > 0 && result.stderr.includes('host forwarding'))
      result = await runQemu(host, command([]), signal)
    if (result.code !== 0) throw refused(guest.name, result)
    await untilRunning(host, guest, paths, restore, signal)
  } catch (error) {
    await tidyFailedStart(host, guest, paths)
    throw error
  }
}

async function runQemu(host: Host, command: readonly string[], signal: AbortSignal): Promise<RunResult> {
  try {
    return await host.run(command, { signal })
  } catch (error) {
    if (!isInfraError(error, 'missing-tool')) throw error
    throw new InfraError('missing-tool', 'QEMU is not installed', {
      subject: 'qemu-system-x86_64',
      cause: error,
      hint: 'apt-get install qemu-system-x86 qemu-utils',
    })
  }
}

/** Restored memory comes back paused; and the ports that the kernel chose are written down. */
async function untilRunning(
  host: Host,
  guest: GuestDefinition,
  paths: GuestPaths,
  restore: boolean,
  signal: AbortSignal,
): Promise<void> {
  await using qmp = await openQmp(host, paths.control, { signal })
  if (restore) {
    while ((await queryStatus(qmp)) === 'inmigrate') await sleep(20, undefined, { signal })
    await qmp.execute('cont')
    await host.remove(paths.saved, { signal })
  }
  if (guest.network.kind === 'user') {
    const reach = parseForwards(await qmp.monitor('info usernet'))
    await host.writeFile(paths.ports, JSON.stringify(reach), { signal })
  }
}

async function queryStatus(qmp: { execute: (command: string) => Promise<unknown> }): Promise<string> {
  return String((((await qmp.execute('query-status')) ?? {}) as { status?: unknown }).status)
}

async function tidyFailedStart(host: Host, guest: GuestDefinition, paths: GuestPaths): Promise<void> {
  const options = { signal: AbortSignal.timeout(10_000) }
  if ((await host.readFile(paths.pid, options)) !== undefined) return // it runs after all: the next look decides
  await host.remove(paths.runtime, options)
  if (guest.network.kind === 'bridge') await removeTap(host, tapName(guest.name), options)
}

async function lastPorts(host: Host, paths: GuestPaths, signal: AbortSignal): Promise<readonly GuestReach[]> {
  const content = await host.readFile(paths.ports, { signal })
  return content === undefined ? [] : (JSON.parse(new TextDecoder().decode(content)) as GuestReach[])
}

function refused(name: string, { code, stderr }: RunResult): InfraError {
  const reason =
    stderr
      .trim()
      .split('\n')
      .at(-1)
      ?.replace(/^qemu-system-\S+: /, '') ?? ''
  const memory = /cannot set up guest memory|Cannot allocate memory/.test(stderr)
  return new InfraError('failed', `QEMU did not start ${name}: ${reason === '' ? `exit code ${code}` : reason}`, {
    subject: name,
    ...(memory ? { hint: 'the host has not that much free memory' } : {}),
  })
}
