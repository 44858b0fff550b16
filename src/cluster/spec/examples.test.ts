import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { capabilitiesOf } from '../../engines/open.ts'
import { formatDiagnostic } from './diagnostic.ts'
import type { ChosenEngine } from './engine-check.ts'
import type { ClusterSpec } from './model.ts'
import { parseSpec } from './parse.ts'
import { printSpec } from './print.ts'

const folder = join(import.meta.dirname, '../../../examples')

/** As on a machine without privileges. */
function engine(spec: ClusterSpec): ChosenEngine {
  const { engine: wanted } = spec.directors
  return capabilitiesOf(wanted === 'auto' ? 'userspace' : wanted)
}

describe('the examples', () => {
  test.each(readdirSync(folder).map((file) => ({ file })))('$file is right, for its engine, too', ({ file }) => {
    const text = readFileSync(join(folder, file), 'utf8')
    const input = { file, environment: {}, readInclude: () => undefined, engine }
    const { spec, diagnostics } = parseSpec({ ...input, text })
    expect(diagnostics.map(formatDiagnostic)).toEqual([])
    expect(parseSpec({ ...input, text: spec === undefined ? '' : printSpec(spec) }).spec).toEqual(spec)
  })
})
