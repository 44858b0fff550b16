/** Saving a guest's memory into a file: all of it under its name, or nothing. */
import { setTimeout as sleep } from 'node:timers/promises'
import { tidying } from '../../deadline.ts'
import { InfraError } from '../../errors.ts'
import type { Host } from '../../hosts/host.ts'
import { abortError } from '../../hosts/local/failures.ts'
import { quote } from '../../hosts/quote.ts'
import type { CallOptions } from '../hypervisor.ts'
import { type Known, readStarted } from './observe.ts'
import { withQmp } from './qmp.ts'

type Migration = { readonly status?: string; readonly 'error-desc'?: string }

/** Far above any disk: QEMU's own limit of 128 MiB/s is for networks that others use, too. */
const bytesPerSecond = 16 * 1024 ** 3
const over = new Set([undefined, 'none', 'completed', 'failed', 'cancelled'])

/** Afterwards the guest stands still with its memory in `paths.saved`; its process is the caller's to end. */
export async function saveMemory(host: Host, { definition, paths, state }: Known, options: CallOptions): Promise<void> {
  const { name } = definition
  const partial = `${paths.saved}.partial`
  const execute = (command: string, args?: Readonly<Record<string, unknown>>): Promise<unknown> =>
    withQmp(host, paths.control, options, (qmp) => qmp.execute(command, args))
  try {
    await settle(execute, name, options)
    await host.remove(partial, options)
    await writeMemory(execute, name, partial, options)
    const synced = await host.run(['sync', '--', partial], options)
    if (synced.code !== 0) throw new InfraError('failed', `save ${name}: ${synced.stderr.trim()}`, { subject: name })
    const started = (await readStarted(host, paths, options))?.definition ?? definition
    await host.writeFile(paths.savedDefinition, JSON.stringify(started), options)
  } catch (error) {
    await goOn(host, paths.control, state === 'running')
    await host.remove(partial, tidying())
    throw error
  }
  await host.rename(partial, paths.saved, options)
}

type Execute = (command: string, args?: Readonly<Record<string, unknown>>) => Promise<unknown>

/** Stops the machine and writes its memory; `-incoming` with this file and `cont` go on. */
export async function writeMemory(execute: Execute, name: string, file: string, options: CallOptions): Promise<void> {
  await execute('stop')
  await execute('migrate-set-parameters', { 'max-bandwidth': bytesPerSecond })
  await execute('migrate', { uri: `exec:cat > ${quote(file)}` })
  const { status, 'error-desc': reason } = await untilOver(execute, name, options)
  if (status !== 'completed') throw new InfraError('failed', `save ${name}: ${reason ?? status}`, { subject: name })
}

/** A save that was killed in the middle may still be under way, or have ended without anyone to take its file. */
async function settle(execute: Execute, name: string, options: CallOptions): Promise<void> {
  const { status } = (await execute('query-migrate')) as Migration
  if (!over.has(status)) {
    await execute('migrate_cancel')
    await untilOver(execute, name, options)
  }
  // QEMU saves no guest a second time before it has executed.
  const machine = (await execute('query-status')) as { readonly status: string }
  if (machine.status === 'postmigrate') await execute('cont')
}

async function untilOver(execute: Execute, name: string, { signal }: CallOptions): Promise<Migration> {
  for (let waitMs = 10; ; waitMs = Math.min(waitMs * 2, 200)) {
    const migration = (await execute('query-migrate')) as Migration
    if (over.has(migration.status)) return migration
    await sleep(waitMs, undefined, { signal }).catch(() => {
      throw abortError(signal, `save ${name}`, name)
    })
  }
}

/** After a save that failed: the guest goes on, or stays paused as it was. */
async function goOn(host: Host, control: string, wasRunning: boolean): Promise<void> {
  await withQmp(host, control, tidying(), async (qmp) => {
    await qmp.execute('migrate_cancel')
    if (wasRunning) await qmp.execute('cont')
  })
}
