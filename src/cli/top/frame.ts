/** One frame of `baton top` as lines that fit the terminal, whatever its size. Pure. */

import type { Paint } from '../terminal/paint.ts'
import { cutLine, type Line, paintLine, printable, type Span, spanText } from '../views/line.ts'
import { healthStyle, stateStyle } from '../views/styles.ts'
import { type Row, tableLines } from '../views/table.ts'
import { formatBytes } from '../views/units.ts'
import { guestRows, type ServiceRow, type State, serviceRows, type Target, targetKey } from './model.ts'

export type Size = { readonly columns: number; readonly rows: number }

type BodyLine = { readonly line: Line; readonly target?: Target }

const keys = 'q quit  ↑↓ select  d drain  u undrain  sort: n name  c cpu  m memory  r conn/s  b bytes/s'

export function frame(state: State, size: Size, paint: Paint): string[] {
  const heading = summary(state)
  const footer: Line = [
    state.message === undefined ? { text: keys, style: 'dim' } : { text: printable(state.message), style: 'yellow' },
  ]
  const body = visible([...guestLines(state), { line: [] }, ...serviceLines(state)], state, size.rows - 3)
  const selected = state.selected === undefined ? undefined : targetKey(state.selected)
  const painted = body.map(({ line, target }) => {
    const cut = cutLine(line, size.columns)
    const isSelected = target !== undefined && targetKey(target) === selected
    return isSelected ? paint('inverse', cut.map(spanText).join('').padEnd(size.columns)) : paintLine(cut, paint)
  })
  const edge = (line: Line): string => paintLine(cutLine(line, size.columns), paint)
  const all = [edge(heading), '', ...painted]
  if (size.rows < 4) return [edge(heading), edge(footer)].slice(0, Math.max(0, size.rows))
  return [...all, ...Array.from({ length: size.rows - 1 - all.length }, () => ''), edge(footer)]
}

function summary(state: State): Line {
  const { current } = state
  if (current === undefined) return ['baton top: asking …']
  const running = current.guests.filter((guest) => guest.state === 'running').length
  const services = serviceRows(state)
  const sum = (of: (row: ServiceRow) => number): number => services.reduce((total, row) => total + of(row), 0)
  const cpu = guestRows(state).reduce((total, { cpuPercent }) => total + (cpuPercent ?? 0), 0)
  const text =
    `baton top  ${running}/${current.guests.length} guests run, ${cpu.toFixed(0)}% cpu  ` +
    `${rate(sum((row) => row.connectionsPerSecond))} conn/s  ${formatBytes(sum((row) => row.bytesPerSecond))}/s`
  const problem: Span[] =
    current.problem === undefined ? [] : ['  ', { text: printable(current.problem), style: 'yellow' }]
  return [{ text, style: 'bold' }, ...problem]
}

function guestLines(state: State): BodyLine[] {
  const rows = guestRows(state)
  const columns = [
    { title: 'GUEST' },
    { title: 'STATE' },
    { title: 'CPU%', align: 'right' },
    { title: 'MEMORY', align: 'right' },
    { title: 'OF', align: 'right' },
  ] as const
  const lines = tableLines(
    columns,
    rows.map(
      (row): Row => [
        row.name,
        { text: row.state, style: stateStyle(row.state) },
        row.cpuPercent?.toFixed(1) ?? '-',
        row.residentBytes === undefined ? '-' : formatBytes(row.residentBytes),
        formatBytes(row.memoryBytes),
      ],
    ),
  )
  return withTargets(
    lines,
    rows.map(({ name }) => ({ kind: 'guest', guest: name })),
  )
}

function serviceLines(state: State): BodyLine[] {
  const services = serviceRows(state)
  const right = 'right'
  const columns = [
    { title: 'SERVICE / SERVER' },
    { title: 'GUEST' },
    { title: 'HEALTH' },
    { title: 'WEIGHT', align: right },
    { title: 'ACTIVE', align: right },
    { title: 'INACTIVE', align: right },
    { title: 'CONN/S', align: right },
    { title: 'BYTES/S', align: right },
  ] as const
  const rows: Row[] = []
  const lineTargets: (Target | undefined)[] = []
  for (const service of services) {
    const [perSecond, bytes] = [rate(service.connectionsPerSecond), formatBytes(service.bytesPerSecond)]
    rows.push([`${service.name} ${service.address} ${service.scheduler}`, '', '', '', '', '', perSecond, bytes])
    lineTargets.push(undefined)
    for (const server of service.servers) {
      rows.push([
        `  ${server.address}`,
        server.guest ?? '',
        {
          text: server.drained ? 'drained' : server.health,
          style: server.drained ? 'yellow' : healthStyle(server.health),
        },
        String(server.weight),
        String(server.active),
        String(server.inactive),
        rate(server.connectionsPerSecond),
        formatBytes(server.bytesPerSecond),
      ])
      const { address, guest } = server
      lineTargets.push({ kind: 'server', service: service.address, address, guest })
    }
  }
  return withTargets(tableLines(columns, rows), lineTargets)
}

/** The first line is the heading; the others are what their row stands for. */
function withTargets(lines: readonly Line[], found: readonly (Target | undefined)[]): BodyLine[] {
  return lines.map((line, index) => {
    const target = found[index - 1]
    return target === undefined ? { line } : { line, target }
  })
}

/** As many lines as there is room for, moved so far that the selected one is among them. */
function visible(lines: readonly BodyLine[], { selected }: State, room: number): readonly BodyLine[] {
  if (room <= 0) return []
  const key = selected === undefined ? undefined : targetKey(selected)
  const at = lines.findIndex(({ target }) => target !== undefined && targetKey(target) === key)
  const first = Math.max(0, Math.min(at - room + 2, lines.length - room))
  return lines.slice(first, first + room)
}

function rate(perSecond: number): string {
  return perSecond < 100 ? perSecond.toFixed(1) : perSecond.toFixed(0)
}
