/** Snapshots inside the guest's own qcow2 disks: by QEMU's jobs while it runs, with its memory; else by qemu-img. */
import { setTimeout as sleep } from 'node:timers/promises'
import { InfraError } from '../../../errors.ts'
import type { Host } from '../../../hosts/host.ts'
import { abortError } from '../../../hosts/local/failures.ts'
import type { CallOptions } from '../../hypervisor.ts'
import { checkSnapshotName, type Snapshot } from '../../machine.ts'
import { readJson } from '../../records.ts'
import { qemuImg } from '../../storage/qemu-img.ts'
import type { Known } from '../observe.ts'
import { type Qmp, withQmp } from '../qmp.ts'

type Listed = { readonly name: string; readonly 'date-sec': number; readonly 'vm-state-size': number }

const isUp = ({ state }: Known): boolean => state === 'running' || state === 'paused'

/** Each disk has them all; the first one has the memory, too. */
export async function listSnapshots(host: Host, guest: Known, options: CallOptions): Promise<readonly Snapshot[]> {
  const [disk] = diskPaths(guest)
  if (disk === undefined) return []
  const doing = { what: `look at ${disk}`, path: disk, ...options }
  const { stdout } = await qemuImg(host, ['info', '-U', '-f', 'qcow2', '--output=json', disk], doing)
  const { snapshots = [] } = JSON.parse(stdout) as { readonly snapshots?: readonly Listed[] }
  const current = await readJson<string>(host, guest.paths.currentSnapshot, options)
  return snapshots
    .map((one) => ({
      name: one.name,
      takenAt: one['date-sec'],
      hasMemory: one['vm-state-size'] > 0,
      isCurrent: one.name === current,
    }))
    .sort((a, b) => a.takenAt - b.takenAt)
}

export async function takeSnapshot(host: Host, guest: Known, name: string, options: CallOptions): Promise<void> {
  const { definition, paths } = guest
  checkSnapshotName(definition.name, name)
  if (definition.disks.length === 0)
    throw new InfraError('unsupported', `take snapshot ${name} of ${definition.name}: it has no disk to keep it on`, {
      subject: definition.name,
      hint: 'give the guest a disk, or keep its memory with `baton save`',
    })
  if ((await listSnapshots(host, guest, options)).some((one) => one.name === name))
    throw new InfraError('already-exists', `${definition.name} has a snapshot ${name}`, {
      subject: definition.name,
      hint: 'choose another name, or delete that one first: baton snapshot delete',
    })
  if (isUp(guest)) await runJob(host, guest, 'snapshot-save', name, options)
  else await onEachDisk(host, guest, ['-c', name], `take snapshot ${name} of ${definition.name}`, options)
  await host.writeFile(paths.currentSnapshot, JSON.stringify(name), options)
}

/** One without memory is for a guest that is off; of one with it a running QEMU is made to go on from there. */
export async function revertSnapshot(
  host: Host,
  guest: Known,
  snapshot: Snapshot,
  { start, end }: { readonly start: () => Promise<void>; readonly end: () => Promise<void> },
  options: CallOptions,
): Promise<void> {
  const { name } = guest.definition
  if (snapshot.hasMemory) {
    if (!isUp(guest)) await start()
    await runJob(host, guest, 'snapshot-load', snapshot.name, options)
    // As it was then: it ran, or nobody could have taken its memory.
    await withQmp(host, guest.paths.control, options, (qmp) => qmp.execute('cont'))
  } else {
    if (isUp(guest)) await end()
    await onEachDisk(host, guest, ['-a', snapshot.name], `revert ${name} to ${snapshot.name}`, options)
  }
  await host.writeFile(guest.paths.currentSnapshot, JSON.stringify(snapshot.name), options)
}

export async function deleteSnapshot(host: Host, guest: Known, name: string, options: CallOptions): Promise<void> {
  if (isUp(guest)) await runJob(host, guest, 'snapshot-delete', name, options)
  else await onEachDisk(host, guest, ['-d', name], `delete snapshot ${name} of ${guest.definition.name}`, options)
}

/** @throws InfraError `not-found` */
export async function snapshotNamed(host: Host, guest: Known, name: string, options: CallOptions): Promise<Snapshot> {
  const found = (await listSnapshots(host, guest, options)).find((one) => one.name === name)
  if (found !== undefined) return found
  throw new InfraError('not-found', `${guest.definition.name} has no snapshot ${name}`, {
    subject: guest.definition.name,
    hint: `\`baton snapshot list ${guest.definition.name}\` shows them`,
  })
}

function diskPaths({ definition, paths }: Known): string[] {
  return definition.disks.map((disk, index) => paths.disk(index, disk))
}

async function onEachDisk(
  host: Host,
  guest: Known,
  args: readonly string[],
  what: string,
  options: CallOptions,
): Promise<void> {
  for (const path of diskPaths(guest)) await qemuImg(host, ['snapshot', ...args, path], { what, path, ...options })
}

type Job = { readonly id: string; readonly status: string; readonly error?: string }
type Block = { readonly device: string; readonly inserted?: { readonly 'node-name'?: string } }

/** The guest stands still meanwhile. @throws InfraError `failed` with QEMU's words */
async function runJob(
  host: Host,
  { definition, paths }: Known,
  command: 'snapshot-save' | 'snapshot-load' | 'snapshot-delete',
  tag: string,
  options: CallOptions,
): Promise<void> {
  const id = `baton-${command}`
  await withQmp(host, paths.control, options, async (qmp) => {
    const devices = await ownNodes(qmp)
    const memory = command === 'snapshot-delete' ? {} : { vmstate: devices[0] }
    await qmp.execute(command, { 'job-id': id, tag, devices, ...memory })
  })
  for (let waitMs = 20; ; waitMs = Math.min(waitMs * 2, 500)) {
    const job = await withQmp(host, paths.control, options, async (qmp) => {
      const found = ((await qmp.execute('query-jobs')) as readonly Job[]).find((one) => one.id === id)
      if (found?.status === 'concluded') await qmp.execute('job-dismiss', { id })
      return found
    })
    if (job?.error !== undefined)
      throw new InfraError('failed', `${command} ${tag} of ${definition.name}: ${job.error}`, {
        subject: definition.name,
      })
    if (job === undefined || job.status === 'concluded') return
    await sleep(waitMs, undefined, { signal: options.signal }).catch(() => {
      throw abortError(options.signal, `${command} ${tag} of ${definition.name}`, definition.name)
    })
  }
}

/** Of the disks of its definition, in order; what was attached beside is not in snapshots. */
async function ownNodes(qmp: Qmp): Promise<string[]> {
  const blocks = (await qmp.execute('query-block')) as readonly Block[]
  return blocks
    .filter(({ device }) => /^disk\d+$/.test(device))
    .sort((a, b) => Number(a.device.slice(4)) - Number(b.device.slice(4)))
    .flatMap(({ inserted }) => inserted?.['node-name'] ?? [])
}
