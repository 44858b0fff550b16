/** keepalived -t and Baton's on the same files: the same exit code, and the same messages. */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parseHere, readMain } from '../../src/compat/keepalived/file.ts'
import { formatFinding } from '../../src/compat/keepalived/main.ts'
import { exitCodeOf } from '../../src/formats/keepalived/finding.ts'

const samples = '/usr/share/doc/keepalived/samples'
const own = join(import.meta.dirname, 'configs')
const isThere = spawnSync('keepalived', ['--version']).status === 0 && existsSync(samples)
if (!isThere) console.warn('skipped: Debian’s package keepalived is not installed')

const files = [
  ...(isThere
    ? readdirSync(samples)
        .filter((name) => name.startsWith('keepalived.conf.'))
        .map((name) => join(samples, name))
    : []),
  ...readdirSync(own).map((name) => join(own, name)),
]

/** Global messages come without the file's name, and each from several processes. */
function messages(lines: readonly string[], file: string): string[] {
  return [
    ...new Set(lines.filter((line) => line !== '').map((line) => line.replace(`(${file}: Line `, '(Line '))),
  ].toSorted()
}

describe.skipIf(!isThere)('a configuration', () => {
  test.each(files.map((file) => ({ file, name: file.slice(file.lastIndexOf('/') + 1) })))(
    '$name is judged alike',
    ({ file }) => {
      const theirs = spawnSync('keepalived', ['-t', '-f', file, '-l', '-n'], { encoding: 'utf8', timeout: 30_000 })
      const main = readMain(file)
      const { findings } = parseHere(main ?? { file, directory: own, text: '' })
      expect(messages(findings.map(formatFinding), file)).toEqual(
        messages(`${theirs.stdout}${theirs.stderr}`.split('\n'), file),
      )
      expect(exitCodeOf(findings)).toBe(theirs.status)
    },
    60_000,
  )
})
