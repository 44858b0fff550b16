/** Writes the pages that are made from the code; `test/docs.test.ts` fails when one is not up to date. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { metricsPage } from './metrics-page.ts'
import { specPage } from './spec-page.ts'

const pages = { 'spec.md': specPage(), 'metrics.md': await metricsPage() }

for (const [name, content] of Object.entries(pages)) writeFileSync(join(import.meta.dirname, name), content)
// What measures a process holds it.
process.exit()
