/** Runs a script on the kernel and on Baton and gathers where they differ. */
import { runOnBaton } from './baton.ts'
import { compare, type Difference, emptyTally } from './compare.ts'
import type { KernelIpvs } from './guest.ts'
import { runOnKernel } from './kernel.ts'
import { formatScript, type Outcome, type Script } from './script.ts'

export async function compareOne(
  guest: KernelIpvs,
  script: Script,
  { signal }: { readonly signal: AbortSignal },
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
