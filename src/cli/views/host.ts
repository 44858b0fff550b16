/** `baton host`: what a machine has, as a table; and what would be done to it, as the very commands and lines. */
import type { Step } from '../../hosts/prepare/plan.ts'
import type { Finding, Role } from '../../hosts/survey/checks.ts'
import type { Paint } from '../terminal/paint.ts'
import { table } from './table.ts'

export type HostCheckJson = { readonly host: string; readonly ok: boolean; readonly findings: readonly Finding[] }

const styles = { pass: 'green', warn: 'yellow', fail: 'red' } as const

export function hostCheckView({ findings }: HostCheckJson, paint: Paint): string[] {
  const columns = ['', 'CHECK', 'FOUND', 'WHAT TO DO'].map((title) => ({ title }))
  const rows = findings.map(({ check, level, found, advice }) => [
    { text: level, style: styles[level] },
    check,
    found,
    advice,
  ])
  return table(columns, rows, paint).map((line) => line.trimEnd())
}

export type PreparationJson = {
  readonly host: string
  readonly role: Role
  readonly isDry: boolean
  readonly steps: readonly Step[]
}

export function preparationView({ host, role, isDry, steps }: PreparationJson, paint: Paint): string[] {
  if (steps.length === 0) return [`${host}: ready as ${role}`]
  const lines = steps.flatMap(({ what, reason, undo, file, commands }) => [
    paint('bold', `${what} (${reason})`),
    ...(file === undefined ? [] : fileLines(file, paint)),
    ...commands.map((command) => `  $ ${command.join(' ')}`),
    paint('dim', `  to undo: ${undo}`),
  ])
  const last = role === 'xen' ? ['then reboot into Xen, and see: baton host check'] : []
  return [...lines, ...last, ...(isDry ? ['nothing was changed: --dry-run'] : [])]
}

/** Lines that go and lines that come; what stays is not shown. */
function fileLines({ path, before, after }: NonNullable<Step['file']>, paint: Paint): string[] {
  const [old, fresh] = [before, after].map((text) => text.split('\n').filter((line) => line !== ''))
  return [
    `  ${path}:`,
    ...(old ?? []).filter((line) => fresh?.includes(line) !== true).map((line) => paint('red', `  - ${line}`)),
    ...(fresh ?? []).filter((line) => old?.includes(line) !== true).map((line) => paint('green', `  + ${line}`)),
  ]
}
