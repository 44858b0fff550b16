/**
 * How far Baton agrees with Linux IPVS: all the way, or exit code 1.
 *
 *     npm run lab:ipvs                      the scripts written by hand, and 100 at random
 *     npm run lab:ipvs -- --seed 7 --random 1000 [--shrink]
 *     npm run lab:ipvs -- FILE...           scripts of one's own (script.ts has the language)
 */
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import type { Difference } from './compare.ts'
import { type KernelIpvs, kernelIpvs } from './guest.ts'
import { generateScript } from './random/generate.ts'
import { compareOne, describeDifference } from './run.ts'
import type { Script } from './script.ts'
import { handWrittenScripts, scriptsOf } from './scripts.ts'
import { shrink } from './shrink.ts'
import { vectors } from './vectors.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seed: { type: 'string' },
    random: { type: 'string', default: '100' },
    shrink: { type: 'boolean', default: false },
  },
})
const limit = { signal: AbortSignal.timeout(6 * 3_600_000) }

function wantedScripts(): Script[] {
  if (positionals.length > 0) return positionals.flatMap((file) => scriptsOf(readFileSync(file, 'utf8')))
  const seed = Number(values.seed ?? Math.floor(Math.random() * 1_000_000))
  process.stdout.write(`scripts at random: --seed ${seed} --random ${values.random}\n`)
  const byHand = values.seed === undefined ? [...vectors.map(({ script }) => script), ...handWrittenScripts()] : []
  return [...byHand, ...Array.from({ length: Number(values.random) }, (_, at) => generateScript(seed + at))]
}

async function main(): Promise<number> {
  const scripts = wantedScripts()
  const tally = { decisions: 0, listings: 0, commands: 0 }
  let different = 0
  await using guest = await kernelIpvs(limit)
  for (const script of scripts) {
    const { differences } = await compareOne(guest, script, limit, tally)
    different += differences.length
    if (differences[0] !== undefined) process.stdout.write(`${describeDifference(await told(differences[0], guest))}\n`)
  }
  const { decisions, listings, commands } = tally
  const all = decisions + listings + commands
  process.stdout.write(
    `${scripts.length} scripts: ${decisions} decisions, ${listings} listings, ${commands} other commands; ` +
      `${all - different} of ${all} agree with the kernel\n`,
  )
  return different === 0 ? 0 : 1
}

async function told(difference: Difference, guest: KernelIpvs): Promise<Difference> {
  if (!values.shrink) return difference
  return await shrink(difference, async (script) => (await compareOne(guest, script, limit)).differences)
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
