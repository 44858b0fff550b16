/** The synchronisation of connections in `baton status`: who tells, who hears, and what goes wrong. */
import { formatEndpoint } from '../../lvs/service.ts'
import type { SyncCounts } from '../../lvs/sync-daemon.ts'
import { recordRefusals, refusals } from '../../sync/refusals.ts'
import type { SyncJson } from '../local/status.ts'
import type { Paint } from '../terminal/paint.ts'
import { printable } from './line.ts'
import { type Column, type Row, table } from './table.ts'

const columns: readonly Column[] = [
  { title: 'SYNC' },
  { title: 'GROUP' },
  { title: 'ID', align: 'right' },
  { title: 'RECORDS', align: 'right' },
  { title: 'LOST', align: 'right' },
  { title: 'ALL' },
]

const transfers: Readonly<Record<SyncCounts['transfer'], string>> = {
  none: '',
  telling: 'being told',
  told: 'told',
  asked: 'asked for',
  had: 'had',
  unanswered: 'nobody answers',
}

export function syncView(sync: readonly SyncJson[], paint: Paint): string[] {
  if (sync.length === 0) return []
  const troubles = sync.flatMap(({ role, counts }) =>
    troublesOf(counts).map((trouble) => paint('yellow', `${role}: ${printable(trouble)}`)),
  )
  return [...table(columns, sync.map(rowOf), paint), ...troubles]
}

function rowOf({ role, interface: name, id, group, port, sealed, counts }: SyncJson): Row {
  const where = `${formatEndpoint({ address: group, port })} on ${name}${sealed ? ', sealed' : ''}`
  if (counts === null) return [role, where, String(id), '-', '-', "the kernel's"]
  const lost = counts.dropped + counts.unsent + sum(counts.refused) + sum(counts.recordsRefused)
  return [role, where, String(id), String(counts.records), String(lost), transfers[counts.transfer]]
}

/** Of what was left aside, why. */
function troublesOf(counts: SyncCounts | null): string[] {
  if (counts === null) return []
  const told = (kind: string, texts: Readonly<Record<string, string>>, found: Readonly<Record<string, number>>) =>
    Object.entries(found).flatMap(([reason, count]) =>
      count === 0 ? [] : [`${count} ${kind} ${texts[reason] ?? reason}`],
    )
  return [
    ...(counts.trouble === undefined ? [] : [counts.trouble]),
    ...told('datagrams', refusals, counts.refused),
    ...told('records', recordRefusals, counts.recordsRefused),
  ]
}

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0)
}
