/** `baton host prepare --dry-run`, whole, for each system and role: what an operator would read, and could paste. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { isInfraError } from '../../errors.ts'
import { planPreparation } from '../../hosts/prepare/plan.ts'
import { type Role, roles } from '../../hosts/survey/checks.ts'
import { parseSurvey } from '../../hosts/survey/survey.ts'
import { plainPaint } from '../terminal/paint.ts'
import { preparationView } from './host.ts'

const goldens = join(import.meta.dirname, '../../../test/golden/hosts')
const systems = ['debian-12', 'debian-13', 'ubuntu-24.04', 'centos-7', 'rocky-9']

function dryRun(system: string, role: Role, more = ''): string {
  const survey = parseSurvey(`${readFileSync(join(goldens, `${system}.survey`), 'utf8')}${more}`)
  // As the command has it when nobody says more; the lab's machine has 1 GiB.
  const dom0 = { memory: survey.memoryBytes > 2 ** 31 ? '2G' : '512M', vcpus: 2 }
  const bridge = { bridge: role === 'xen' ? 'xenbr0' : 'br0' }
  try {
    const steps = planPreparation(survey, { role, dom0, bridge })
    const plan = { host: system, role, isDry: true, patienceSeconds: 60, steps }
    return `${preparationView(plan, plainPaint).join('\n')}\n`
  } catch (error) {
    if (!isInfraError(error)) throw error
    return `${error.code}: ${error.message}\nhint: ${error.hint ?? ''}\n`
  }
}

describe.each(systems)('%s', (system) => {
  test.each(roles)('as %s', async (role) => {
    await expect(dryRun(system, role)).toMatchFileSnapshot(join(goldens, `${system}-${role}.txt`))
  })
})

test('CentOS 7 that starts from UEFI as xen', async () => {
  const efi = '\u0001firmware\nefi\n'
  await expect(dryRun('centos-7', 'xen', efi)).toMatchFileSnapshot(join(goldens, 'centos-7-efi-xen.txt'))
})
