/** Baton against Linux IPVS: the same commands and packets, the same decisions and listings. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type KernelIpvs, kernelIpvs } from './guest.ts'
import { runOnKernel } from './kernel.ts'
import { generateScript } from './random/generate.ts'
import { compareOne, describeDifference } from './run.ts'
import type { Outcome, Script } from './script.ts'
import { handWrittenScripts } from './scripts.ts'
import { vectors } from './vectors.ts'

const limit = { signal: AbortSignal.timeout(600_000) }
let guest: KernelIpvs

beforeAll(async () => {
  guest = await kernelIpvs(limit)
})

afterAll(async () => {
  await guest[Symbol.asyncDispose]()
})

/** The last part of the chosen server's address; 0: refused. */
function pickOf(outcome: Outcome): number[] {
  if (outcome.kind !== 'packet') return []
  return [outcome.verdict === 'refused' ? 0 : Number(/^masq \S*?(\d+) \d+$/.exec(outcome.verdict)?.[1])]
}

async function agrees(script: Script): Promise<readonly Outcome[]> {
  const { kernel, differences } = await compareOne(guest, script, limit)
  expect(differences.map(describeDifference).join('\n')).toBe('')
  return kernel
}

test('the guest begins every script anew, at the script’s own time', async () => {
  const [first, second] = [await runOnKernel(guest, generateScript(1)), await runOnKernel(guest, generateScript(1))]
  const verdicts = (steps: typeof first): unknown[] => steps.map(({ outcome }) => outcome.kind === 'packet' && outcome)
  expect(verdicts(second)).toEqual(verdicts(first))
  for (const [at, { atMs }] of second.entries()) expect(Math.abs(atMs - (first[at]?.atMs ?? 0))).toBeLessThan(400)
})

test.each(vectors.map((vector) => [vector.script.name, vector] as const))(
  'the guest and Baton decide as Linux was seen to decide: %s',
  async (_name, { script, picks }) => {
    expect((await agrees(script)).flatMap(pickOf)).toEqual(picks)
  },
)

describe('Baton decides and lists as the kernel does', () => {
  test.each(handWrittenScripts().map((script) => [script.name, script] as const))('%s', async (_name, script) => {
    await agrees(script)
  })
  // More of these, with other seeds: npm run lab:ipvs.
  test.each(Array.from({ length: 12 }, (_, at) => [at + 1] as const))('at random, seed %i', async (seed) => {
    await agrees(generateScript(seed))
  })
})
