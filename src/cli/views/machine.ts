/** Snapshots and devices of one guest. */
import type { AttachedDevice, Snapshot } from '../../guests/machine.ts'
import type { Paint } from '../terminal/paint.ts'
import { table } from './table.ts'

export function snapshotsView(snapshots: readonly Snapshot[], paint: Paint): string[] {
  if (snapshots.length === 0) return ['no snapshots']
  const columns = [{ title: 'SNAPSHOT' }, { title: 'TAKEN' }, { title: 'MEMORY' }, { title: '' }]
  const rows = snapshots.map(({ name, takenAt, hasMemory, isCurrent }) => [
    name,
    new Date(takenAt * 1000).toISOString().replace('T', ' ').slice(0, 19),
    hasMemory ? 'yes' : 'no',
    isCurrent ? 'the guest goes on from here' : '',
  ])
  return table(columns, rows, paint)
}

export function devicesView(devices: readonly AttachedDevice[], paint: Paint): string[] {
  if (devices.length === 0) return ['nothing was attached']
  const rows = devices.map(({ kind, name, target }) => [kind, name, target ?? '-'])
  return table([{ title: 'DEVICE' }, { title: 'NAME' }, { title: 'IN THE GUEST' }], rows, paint)
}

export function attachedView({ kind, name, target }: AttachedDevice): string[] {
  return [`attached ${kind} ${name}${target === undefined ? '' : ` as ${target}`}`]
}
