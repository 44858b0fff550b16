/** `npm run lab:xen`: boots Xen, does all steps, and prints a table of what was seen; exit code 1 when one failed. */
import { createGuest } from './created.ts'
import { bootDom0 } from './dom0.ts'
import { stepsWith } from './steps.ts'
import { openXenWorld } from './world.ts'

const limitMs = 1_500_000

async function main(): Promise<number> {
  const begun = performance.now()
  const seconds = (since: number): string => `${((performance.now() - since) / 1000).toFixed(0).padStart(4)} s`
  const tell = (how: string, since: number, text: string): void =>
    void process.stdout.write(`${how} ${seconds(since)}  ${text}\n`)
  const signal = AbortSignal.timeout(limitMs)
  await using created = await createGuest(signal)
  const steps = stepsWith(created)
  await using dom0 = await bootDom0({ signal, disk: created.disk })
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

main().then(
  (code) => {
    process.exitCode = code
  },
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`)
    process.exitCode = 1
  },
)
