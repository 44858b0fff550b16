/**
 * `keepalived -t` and Baton's on files with one slip of the pen each: the same exit code, and the same said. More of them, and others, by KEEPALIVED_MUTATIONS and KEEPALIVED_SEED.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parseHere, readMain } from '../../src/compat/keepalived/file.ts'
import { formatFinding } from '../../src/compat/keepalived/main.ts'
import { exitCodeOf } from '../../src/formats/keepalived/finding.ts'
import { isThere } from './here.ts'
import { chanceOf, mutated } from './mutations.ts'

const samples = '/usr/share/doc/keepalived/samples'
const own = join(import.meta.dirname, 'configs')
const count = Number(process.env['KEEPALIVED_MUTATIONS'] ?? 60)
const seed = Number(process.env['KEEPALIVED_SEED'] ?? 7)

/** With a slip in its parameters keepalived goes on with memory that it has given back. */
const unlike = ['parameters.conf']

const files = [samples, own].flatMap((folder) =>
  existsSync(folder) ? readdirSync(folder).filter((name) => name.includes('.conf') && !unlike.includes(name)).map((name) => join(folder, name)) : [],
) // biome-ignore format: one expression

/** Whether a name is known, Baton does not ask. */
const asksNames = /Invalid smtp server \S*[a-z]/
/** Where both end the reading, keepalived has already judged what stands before, and Baton has not. */
const ending = /^\(.*Line \d+\) \*\*\* /

function said(lines: readonly string[], file: string): string[] {
  return [
    ...new Set(lines.filter((line) => line !== '').map((line) => line.replace(`(${file}: Line `, '(Line '))),
  ].toSorted()
}

test.skipIf(!isThere || files.length === 0)(
  `${count} slips of the pen are judged alike`,
  () => {
    const folder = mkdtempSync(join(tmpdir(), 'baton-keepalived-'))
    const chance = chanceOf(seed)
    const differing: object[] = []
    try {
      for (let at = 0; at < count; at += 1) {
        const source = files[chance(files.length)] ?? ''
        const { what, text } = mutated(readFileSync(source, 'utf8'), chance)
        const file = join(folder, 'keepalived.conf')
        writeFileSync(file, text)
        const ended = spawnSync('keepalived', ['-t', '-f', file, '-l', '-n'], { encoding: 'utf8', timeout: 60_000 })
        // Its checkers crash on some of them.
        if (ended.signal !== null) continue
        const theirs = said(`${ended.stdout}${ended.stderr}`.split('\n'), file)
        if (theirs.some((line) => asksNames.test(line))) continue
        const { findings } = parseHere(readMain(file) ?? { file, directory: folder, text })
        const ours = said(findings.map(formatFinding), file)
        const codes = [exitCodeOf(findings), ended.status]
        const judged = (lines: readonly string[]): readonly string[] =>
          codes.join() === '2,2' ? lines.filter((line) => ending.test(line)) : lines
        const isAlike = codes[0] === codes[1] && judged(ours).join('\n') === judged(theirs).join('\n')
        if (!isAlike)
          differing.push({
            source,
            what,
            codes,
            onlyTheirs: theirs.filter((line) => !ours.includes(line)),
            onlyOurs: ours.filter((line) => !theirs.includes(line)),
          })
      }
      expect(differing).toEqual([])
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  },
  60_000 + count * 5_000,
)
