/** Runs scripts on the kernel and on Baton and gathers where they differ. */
import { runOnBaton } from './baton.ts'
import { compare, type Difference, emptyTally, type Tally } from './compare.ts'
import type { KernelIpvs } from './guest.ts'
import { runOnKernel } from './kernel.ts'
import { formatScript, type Outcome, type Script } from './script.ts'

export type Report = { readonly tally: Tally; readonly scripts: number; readonly differences: readonly Difference[] }

type Options = { readonly signal: AbortSignal }

export async function compareAll(
  guest: KernelIpvs,
  scripts: readonly Script[],
  options: Options & { readonly onScript: (script: Script, found: readonly Difference[]) => void },
): Promise<Report> {
  const tally = emptyTally()
  const differences: Difference[] = []
  for (const script of scripts) {
    const { differences: found } = await compareOne(guest, script, options, tally)
    differences.push(...found)
    options.onScript(script, found)
  }
  return { tally, scripts: scripts.length, differences }
}

export async function compareOne(
  guest: KernelIpvs,
  script: Script,
  { signal }: Options,
  tally = emptyTally(),
): Promise<{ readonly kernel: readonly Outcome[]; readonly differences: readonly Difference[] }> {
  const [{ content: services }] = await guest.do([{ kind: 'read', file: '/etc/services' }])
  const timed = await runOnKernel(guest, script)
  const times = timed.map(({ atMs }) => atMs)
  const kernel = timed.map(({ outcome }) => outcome)
  const baton = await runOnBaton(script, times, { services, signal })
  return { kernel, differences: compare(script, kernel, baton, tally) }
}

/** The script up to the step where they parted, and what each made of it. */
export function describeDifference({ script, at, kernel, baton }: Difference): string {
  const steps = formatScript({ ...script, steps: script.steps.slice(0, at + 1) })
  return `== ${script.name}\n${steps}\n--- kernel\n${kernel}--- Baton\n${baton}`
}
