/** Makes a script on which Baton and the kernel differ as short as it gets: what is left is what matters. */
import type { Difference } from './compare.ts'
import type { Script } from './script.ts'

/** Leaves out steps, many at once and then one by one, as long as `differences` still finds something. */
export async function shrink(
  difference: Difference,
  differences: (script: Script) => Promise<readonly Difference[]>,
): Promise<Difference> {
  let smallest = cut(difference)
  for (let size = 32; size >= 1; size = Math.floor(size / 2)) {
    for (let at = smallest.at - size; at > -size; at -= size) {
      const steps = smallest.script.steps.filter((_step, index) => index < at || index >= at + size)
      const [found] = await differences({ ...smallest.script, steps })
      if (found !== undefined) smallest = cut(found)
    }
  }
  return smallest
}

/** What comes after the step where they part does not matter. */
function cut(difference: Difference): Difference {
  const { script, at } = difference
  return { ...difference, script: { ...script, steps: script.steps.slice(0, at + 1) } }
}
