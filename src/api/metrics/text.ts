/** Prometheus' text format 0.0.4. Pure. */
import type { Family } from './families.ts'

export const contentType = 'text/plain; version=0.0.4; charset=utf-8'

/** `# HELP` and `# TYPE`; all samples of a family follow in one group. */
export function headerText({ name, type, help }: Family): string {
  return `# HELP ${name} ${help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}\n# TYPE ${name} ${type}\n`
}

/** `{a="b"}`, or nothing; what is undefined is left out, which is the same as empty. */
export function labelsText(labels: Readonly<Record<string, string | undefined>>): string {
  const inner = labelList(labels)
  return inner === '' ? '' : `{${inner}}`
}

/** Without braces, so that others can follow. */
export function labelList(labels: Readonly<Record<string, string | undefined>>): string {
  let text = ''
  for (const name in labels) {
    const value = labels[name]
    if (value !== undefined) text += `${text === '' ? '' : ','}${name}="${escaped(value)}"`
  }
  return text
}

function escaped(value: string): string {
  return /[\\"\n]/.test(value) ? value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n') : value
}

/** A family with few samples. */
export function familyText(
  family: Family,
  samples: readonly (readonly [labels: Readonly<Record<string, string | undefined>>, value: number])[],
): string {
  return (
    headerText(family) + samples.map(([labels, value]) => `${family.name}${labelsText(labels)} ${value}\n`).join('')
  )
}
