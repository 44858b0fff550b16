/** `baton host`: what a machine has, as a table; and what would be done to it, as the very commands and lines. */
import type { FileChange, Step } from '../../hosts/prepare/step.ts'
import { quote } from '../../hosts/quote.ts'
import type { Finding, Role } from '../../hosts/survey/checks.ts'
import type { Paint } from '../terminal/paint.ts'
import { changedLines } from './line-diff.ts'
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
  /** How long a changed network is tried before the host puts it back. */
  readonly patienceSeconds: number
  readonly steps: readonly Step[]
}

export function preparationView(
  { host, role, isDry, patienceSeconds, steps }: PreparationJson,
  paint: Paint,
): string[] {
  if (steps.length === 0) return [`${host}: ready as ${role}`]
  const lines = steps.flatMap(({ what, reason, undo, files, commands, guarded }) => [
    paint('bold', `${what} (${reason})`),
    ...files.flatMap((file) => fileLines(file, paint)),
    ...commandLines(commands),
    ...(guarded === undefined ? [] : guardedLines(guarded, patienceSeconds, paint)),
    paint('dim', `  to undo: ${undo}`),
  ])
  const last = role === 'xen' ? [`then reboot into Xen, and see: baton host check ${host} --as xen`] : []
  return [...lines, ...last, ...(isDry ? ['nothing was changed: --dry-run'] : [])]
}

/** As a shell takes them. */
const commandLines = (commands: Step['commands']): string[] =>
  commands.map((command) => `  $ ${command.map((word) => (plain.test(word) ? word : quote(word))).join(' ')}`)

const plain = /^[\w@%+=:,./-]+$/

/** In the order in which the host itself does it. */
function guardedLines(
  { files, leave, enter }: NonNullable<Step['guarded']>,
  patienceSeconds: number,
  paint: Paint,
): string[] {
  return [
    ...commandLines(leave),
    ...files.flatMap((file) => fileLines(file, paint)),
    ...commandLines(enter),
    `  the host puts all of it back by itself, unless a new connection comes through within ${patienceSeconds} s`,
  ]
}

/** Lines that go and lines that come, each in its place. */
function fileLines(file: FileChange, paint: Paint): string[] {
  if ('words' in file) return [`  ${file.path}:`, paint('green', `  + ${file.variable}="… ${file.words.join(' ')}"`)]
  if ('set' in file)
    return [
      `  ${file.path}:`,
      ...Object.entries(file.set).map(([name, value]) => paint('green', `  + ${name}=${value}`)),
    ]
  const colours = { '-': 'red', '+': 'green', ' ': 'dim' } as const
  const lines = changedLines(file.before, file.after)
  return [`  ${file.path}:`, ...lines.map(({ sign, text }) => paint(colours[sign], `  ${sign} ${text}`.trimEnd()))]
}
