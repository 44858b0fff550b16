/** `npm run lab:ipvs [-- FILE...]`: how far Baton agrees with Linux IPVS. All of it must. */
import { readFileSync } from 'node:fs'
import { kernelIpvs } from './guest.ts'
import { compareAll, describeDifference } from './run.ts'
import type { Script } from './script.ts'
import { handWrittenScripts, scriptsOf } from './scripts.ts'
import { vectors } from './vectors.ts'

async function main(files: readonly string[]): Promise<number> {
  const scripts: Script[] =
    files.length > 0
      ? files.flatMap((file) => scriptsOf(readFileSync(file, 'utf8')))
      : [...vectors.map(({ script }) => script), ...handWrittenScripts()]
  const signal = AbortSignal.timeout(3_600_000)
  await using guest = await kernelIpvs({ signal })
  const { tally, differences } = await compareAll(guest, scripts, {
    signal,
    onScript: (_script, [first]) => {
      if (first !== undefined) process.stdout.write(`${describeDifference(first)}\n`)
    },
  })
  const { decisions, listings, commands } = tally
  const all = decisions + listings + commands
  process.stdout.write(
    `${scripts.length} scripts: ${decisions} decisions, ${listings} listings, ${commands} other commands; ` +
      `${all - differences.length} of ${all} agree with the kernel\n`,
  )
  return differences.length === 0 ? 0 : 1
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
