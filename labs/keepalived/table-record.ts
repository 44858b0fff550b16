/**
 * Runs keepalived on the kernel's IPVS in a guest with the files of table-cases.ts, and keeps what was seen in
 * table-seen.json, which `table.lab.test.ts` holds Baton to. Some minutes: `npm run lab:keepalived`.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { underOtherKernel } from '../kernel/guest.ts'
import { cases } from './table-cases.ts'
import { head, script } from './table-script.ts'
import { parted, type Seen, seenFile } from './table-seen.ts'

const limitMs = 1_500_000

const { output } = await underOtherKernel(head + cases.map(script).join(''), { signal: AbortSignal.timeout(limitMs) })
const seen: Record<string, Seen> = {}
for (const part of output.split(/^=== /mu).slice(1)) {
  const [title = '', ...lines] = part.split('\n')
  const at = lines.indexOf('told')
  seen[title] = parted(lines.slice(0, at), lines.slice(at + 1))
}
const wanted = cases.flatMap(({ name, steps }) => [...steps.keys(), 'end'].map((step) => `${name} ${step}`))
const missing = wanted.filter((title) => seen[title] === undefined)
if (missing.length > 0) throw new Error(`not seen: ${missing.join(', ')}\n${output.slice(-5000)}`)
writeFileSync(join(import.meta.dirname, seenFile), `${JSON.stringify(seen, undefined, 2)}\n`)
