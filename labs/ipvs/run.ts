/** Runs scripts on the kernel and on Baton and gathers where they differ. */
import { runOnBaton } from './baton.ts'
import { compare, type Difference, emptyTally, type Tally } from './compare.ts'
import type { KernelIpvs } from './guest.ts'
import { runOnKernel } from './kernel.ts'
import { formatScript, type Script } from './script.ts'

export type Report = { readonly tally: Tally; readonly scripts: number; readonly differences: readonly Difference[] }

export async function compareAll(
  guest: KernelIpvs,
  scripts: readonly Script[],
  options: { readonly signal: AbortSignal; readonly onScript?: (script: Script, found: readonly Difference[]) => void },
): Promise<Report> {
  const [{ content: services }] = await guest.do([{ kind: 'read', file: '/etc/services' }])
  const tally = emptyTally()
  const differences: Difference[] = []
  for (const script of scripts) {
    const kernel = await runOnKernel(guest, script)
    const times = kernel.map(({ atMs }) => atMs)
    const baton = await runOnBaton(script, times, { services, signal: options.signal })
    const outcomes = kernel.map(({ outcome }) => outcome)
    const found = compare(script, outcomes, baton, tally)
    differences.push(...found)
    options.onScript?.(script, found)
  }
  return { tally, scripts: scripts.length, differences }
}

/** The script up to the step where they parted, and what each made of it. */
export function describeDifference({ script, at, kernel, baton }: Difference): string {
  const steps = formatScript({ ...script, steps: script.steps.slice(0, at + 1) })
  return `== ${script.name}\n${steps}\n--- kernel\n${kernel}--- Baton\n${baton}`
}
