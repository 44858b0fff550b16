/** The virtual routers in `baton status`: who has which role, and what is wrong between them. */
import type { RouterJson } from '../local/status.ts'
import type { Paint, Style } from '../terminal/paint.ts'
import { printable, type Span } from './line.ts'
import { type Column, type Row, table } from './table.ts'

const columns: readonly Column[] = [
  { title: 'ROUTER' },
  { title: 'ID', align: 'right' },
  { title: 'ROLE' },
  { title: 'PRIORITY', align: 'right' },
  { title: 'FOR', align: 'right' },
  { title: 'ADDRESSES' },
  { title: 'MASTER' },
]

export function routersView(routers: readonly RouterJson[], paint: Paint): string[] {
  if (routers.length === 0) return []
  const troubles = routers.flatMap(({ name, faults, troubles }) =>
    [...faults.map((fault) => `at fault: ${fault}`), ...troubles].map((text) =>
      paint('yellow', `problem: ${printable(`${name}: ${text}`)}`),
    ),
  )
  return [...table(columns, routers.map(rowOf), paint), ...troubles]
}

function rowOf({ name, id, role, priority, forMs, addresses, master, yields }: RouterJson): Row {
  const span: Span = { text: yields ? `${role}, handed over` : role, style: styles[role] }
  const other = master === null ? '-' : `${master.address} (${master.priority})`
  return [name, String(id), span, String(priority), `${Math.floor(forMs / 1000)}s`, addresses.join(' '), other]
}

const styles: Readonly<Record<RouterJson['role'], Style>> = {
  master: 'green',
  backup: 'bold',
  fault: 'red',
  stopped: 'yellow',
}
