/** A keepalived.conf of a few lines, converted on a machine that has every interface and no program: for tests. */
import { parseKeepalived } from '../../formats/keepalived/parse.ts'
import { type Converted, type ConvertOptions, convertKeepalived } from './convert.ts'

export function convertLines(...lines: readonly string[]): Converted {
  return convertText(lines.join('\n'))
}

export function convertText(text: string, options: Partial<ConvertOptions> = {}): Converted {
  const parsed = parseKeepalived(
    { file: 'k.conf', directory: '/', text },
    { include: () => ({ files: [], missing: [], directories: [] }), random: () => 0 },
    {
      interface: () => 'there',
      isExecutable: (program) => program === '/bin/true',
      hasUser: (name) => name === 'nobody',
      groupOf: () => '65534',
    },
  )
  return convertKeepalived(parsed, { file: 'k.conf', cluster: 'k', ...options })
}

export function said({ diagnostics }: Converted): string[] {
  return diagnostics.map(({ line, message }) => `${line}: ${message}`)
}
