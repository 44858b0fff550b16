/** The rules files of ipvsadm (/etc/ipvsadm.rules, /etc/sysconfig/ipvsadm) ⇄ edits of the table. */
import type { TableEdit } from '../lvs/edit.ts'
import type { RealServer, Service } from '../lvs/service.ts'
import type { Refusal } from './ipvsadm/command.ts'
import { parseLine } from './ipvsadm/parse.ts'
import { ruleLines } from './ipvsadm/rule-lines.ts'
import { noNames } from './ipvsadm/text.ts'
import type { Names } from './ipvsadm/values.ts'

/** `line` counts from 1. */
export type RuleEdit = { readonly line: number; readonly edit: TableEdit }
export type RuleProblem = { readonly line: number; readonly message: string; readonly hint?: string }
export type ParsedRules = { readonly edits: readonly RuleEdit[]; readonly problems: readonly RuleProblem[] }

/** Every line that is a rule, and every line that is none; `#` at the beginning of a line begins a comment (ipvsadm-restore). */
export function parseRules(text: string, names: Names): ParsedRules {
  const edits: RuleEdit[] = []
  const problems: RuleProblem[] = []
  for (const [index, line] of text.split('\n').entries()) {
    const words = line.startsWith('#') ? [] : lineWords(line)
    if (words.length === 0) continue
    const parsed = parseLine(words, names)
    if (!parsed.ok) problems.push({ line: index + 1, ...explain(parsed.refusal) })
    else if (parsed.command.kind === 'edit') edits.push({ line: index + 1, edit: parsed.command.edit })
    else if (parsed.command.kind === 'unknown-module')
      problems.push({ line: index + 1, message: 'Scheduler or persistence engine not found' })
    else problems.push({ line: index + 1, message: 'changes nothing', hint: 'a rules file has -A, -a and the like' })
  }
  return { edits, problems }
}

/** ipvsadm's way with a line of its standard input: no quotes, and its own name may stand in it. */
export function lineWords(line: string): string[] {
  return line.split(/[ \t\n\v\f\r]+/).filter((word) => word !== '' && word !== 'ipvsadm')
}

function explain(refusal: Refusal): { readonly message: string; readonly hint?: string } {
  if (refusal.kind !== 'usage') return { message: refusal.message.trimEnd() }
  return { message: 'this is no command of ipvsadm', hint: 'a line begins with its command: -A, -a, …' }
}

/**
 * Rules that make the table again as it is, by number, each service's servers from the oldest (the last of `servers`) to
 * the newest, as their order decides who comes first. Services that ipvsadm has no form for are left out.
 */
export function printRules(
  services: readonly { readonly service: Service; readonly servers: readonly RealServer[] }[],
): string {
  const style = {
    namer: noNames,
    flags: ({ schedulerFlags }: Service) => (schedulerFlags.length === 0 ? undefined : schedulerFlags.join(',')),
  }
  return services
    .flatMap(({ service, servers }) => ruleLines(service, servers.toReversed(), style))
    .map((line) => `${line}\n`)
    .join('')
}
