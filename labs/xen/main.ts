/**
 * `npm run lab:xen`: wakes Xen, does all steps, and prints a table of what was seen; exit code 1 when one failed. Words name
 * steps, which are done with those that they need. `stay` wakes it and stays until it is interrupted; then `there` with the
 * names of steps does just these in that machine, so that mending one needs no boot.
 */
import { once } from 'node:events'
import { createGuest, openGuestDisk } from './created.ts'
import { type Dom0, openDom0 } from './dom0.ts'
import { forgetMachine, standingMachine, tellMachine } from './stay.ts'
import { type Step, stepsWith, withNeeds } from './steps.ts'
import { openXenWorld } from './world.ts'

const limitMs = 1_800_000

const tell = (how: string, since: number, text: string): void =>
  void process.stdout.write(`${how} ${((performance.now() - since) / 1000).toFixed(0).padStart(4)} s  ${text}\n`)

async function main(words: readonly string[]): Promise<number> {
  const begun = performance.now()
  if (words[0] === 'there') {
    const { dom0, created } = await standingMachine()
    const steps = stepsWith(created)
    return runSteps(
      dom0,
      words.slice(1).flatMap((word) => steps.filter(({ word: known }) => known === word)),
      begun,
    )
  }
  const signal = AbortSignal.timeout(limitMs)
  await using disk = await openGuestDisk()
  const making = createGuest(disk, signal)
  making.catch(() => undefined)
  await using dom0 = await openDom0({ signal, disk: disk.disk })
  tell('    ', begun, 'Dom0 is up')
  const created = await making
  tell('    ', begun, `xen-create-image has made ${created.name}`)
  if (words[0] !== 'stay') return await runSteps(dom0, withNeeds(stepsWith(created), words), begun)
  await tellMachine(dom0, created)
  await Promise.race(['SIGINT', 'SIGTERM'].map((name) => once(process, name)))
  await forgetMachine()
  return 0
}

async function runSteps(dom0: Pick<Dom0, 'host' | 'ports'>, steps: readonly Step[], begun: number): Promise<number> {
  const world = await openXenWorld(dom0)
  tell(
    'ok  ',
    begun,
    `Xen runs: ${(await world.must('xl', 'info', 'xen_version')).trim()}, Dom0 ${(await world.must('uname', '-r')).trim()}`,
  )
  let failed = 0
  for (const { name, run } of steps) {
    const since = performance.now()
    try {
      tell('ok  ', since, `${name}: ${await run(world)}`)
    } catch (error) {
      failed += 1
      tell('FAIL', since, `${name}: ${error instanceof Error ? error.stack : String(error)}`)
    }
  }
  tell(failed === 0 ? 'ok  ' : 'FAIL', begun, `${steps.length - failed} of ${steps.length} steps`)
  return failed === 0 ? 0 : 1
}

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code
  },
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`)
    process.exitCode = 1
  },
)
