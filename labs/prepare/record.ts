/** Facts recorded: what the survey's command prints on a machine as its installer left it, for the plans that tests compare. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Host } from '../../src/hosts/host.ts'
import { surveyScript } from '../../src/hosts/survey/script.ts'

const goldens = join(import.meta.dirname, '../../test/golden/hosts')

/** Written to test/golden/hosts, under the machine's name. @throws Error when the machine says nothing. */
export async function recordSurvey(host: Host, name: string, options: { readonly signal: AbortSignal }): Promise<void> {
  const { stdout } = await host.run(['sh', '-c', surveyScript, 'sh', '', ''], options)
  if (!stdout.includes('os-release')) throw new Error(`${name}: no survey`)
  await writeFile(join(goldens, `${name}.survey`), stdout)
}
