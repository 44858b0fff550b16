/** Prints what the kernel makes of scripts (see script.ts): `npx tsx labs/ipvs/ask.ts FILE...`, `-` for standard input. */
import { readFileSync } from 'node:fs'
import { describe } from './compare.ts'
import { kernelIpvs } from './guest.ts'
import { runOnKernel } from './kernel.ts'
import { scriptsOf } from './scripts.ts'

async function ask(files: readonly string[]): Promise<void> {
  await using guest = await kernelIpvs({ signal: AbortSignal.timeout(300_000) })
  for (const file of files)
    for (const script of scriptsOf(withName(file, readFileSync(file === '-' ? 0 : file, 'utf8')))) {
      process.stdout.write(`== ${script.name}\n`)
      for (const [index, { atMs, outcome }] of (await runOnKernel(guest, script)).entries())
        process.stdout.write(`${(atMs / 1000).toFixed(3)} ${script.steps[index]?.line}\n${describe(outcome)}`)
    }
}

function withName(file: string, text: string): string {
  return text.startsWith('== ') ? text : `== ${file}\n${text}`
}

ask(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(`${String(error)}\n`)
  process.exitCode = 1
})
