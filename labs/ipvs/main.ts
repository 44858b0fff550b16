/**
 * How far Baton agrees with Linux IPVS: all the way, or exit code 1.
 *
 *     npm run lab:ipvs                      the scripts written by hand, and 200 at random
 *     npm run lab:ipvs -- --seed 7 --random 1000
 *     npm run lab:ipvs -- FILE...           scripts of one's own (script.ts has the language)
 */
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { kernelIpvs } from './guest.ts'
import { generateScript } from './random/generate.ts'
import { compareAll, describeDifference } from './run.ts'
import type { Script } from './script.ts'
import { handWrittenScripts, scriptsOf } from './scripts.ts'
import { vectors } from './vectors.ts'

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { seed: { type: 'string' }, random: { type: 'string', default: '200' } },
  })
  const seed = Number(values.seed ?? Math.floor(Math.random() * 1_000_000))
  const scripts: Script[] =
    positionals.length > 0
      ? positionals.flatMap((file) => scriptsOf(readFileSync(file, 'utf8')))
      : [
          ...(values.seed === undefined ? [...vectors.map(({ script }) => script), ...handWrittenScripts()] : []),
          ...Array.from({ length: Number(values.random) }, (_, at) => generateScript(seed + at)),
        ]
  if (positionals.length === 0) process.stdout.write(`scripts at random: --seed ${seed} --random ${values.random}\n`)
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

main().then(
  (code) => {
    process.exitCode = code
  },
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`)
    process.exitCode = 1
  },
)
