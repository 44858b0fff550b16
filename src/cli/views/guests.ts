/** Guests as a table: `baton list`, and the upper half of `baton status`. */
import type { GuestJson } from '../local/status.ts'
import type { Paint } from '../terminal/paint.ts'
import { stateStyle } from './styles.ts'
import { type Column, type Row, table } from './table.ts'
import { formatBytes } from './units.ts'

const columns: readonly Column[] = [
  { title: 'GUEST' },
  { title: 'STATE' },
  { title: 'HOST' },
  { title: 'CLUSTER' },
  { title: 'MEMORY', align: 'right' },
  { title: 'VCPUS', align: 'right' },
  { title: 'RUNS ON' },
  { title: 'ADDRESS' },
]

export function guestsView(guests: readonly GuestJson[], paint: Paint): string[] {
  if (guests.length === 0) return ['no guests']
  const rows = guests.map(
    (guest): Row => [
      guest.name,
      { text: guest.state, style: stateStyle(guest.state) },
      guest.host,
      guest.cluster ?? '-',
      formatBytes(guest.memoryBytes),
      String(guest.vcpus),
      guest.acceleration === null ? guest.hypervisor : `${guest.hypervisor}/${guest.acceleration}`,
      guest.address ?? '-',
    ],
  )
  return table(columns, rows, paint)
}
