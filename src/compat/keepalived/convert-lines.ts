/** A keepalived.conf of a few lines, converted on a machine that has every interface and no program: for tests. */
import { commonNames } from '../../formats/iproute/names.ts'
import type { Machine } from '../../formats/keepalived/machine.ts'
import type { KeepalivedFile } from '../../formats/keepalived/model.ts'
import { parseKeepalived } from '../../formats/keepalived/parse.ts'
import { type Converted, type ConvertOptions, convertKeepalived } from './convert.ts'

export function convertLines(...lines: readonly string[]): Converted {
  return convertText(lines.join('\n'))
}

export function convertText(text: string, options: Partial<ConvertOptions> = {}): Converted {
  return convertKeepalived(parseText(text), { file: 'k.conf', cluster: 'k', ...options })
}

const machine: Machine = {
  interface: () => 'there',
  isExecutable: (program) => program === '/bin/true',
  routingNames: commonNames,
  hasUser: (name) => name === 'nobody',
  groupOf: () => '65534',
}

function parseText(text: string): KeepalivedFile {
  const surroundings = { include: () => ({ files: [], missing: [], directories: [] }), random: () => 0 }
  return parseKeepalived({ file: 'k.conf', directory: '/', text }, surroundings, machine)
}

export const parseLines = { machine, parse: parseText }

export function said({ diagnostics }: Converted): string[] {
  return diagnostics.map(({ line, message }) => `${line}: ${message}`)
}
