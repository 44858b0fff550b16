/** Check `file`: a number in a file, which somebody else writes, says how well the server is (keepalived's track_file). */
import { readNumber } from '../../number-file.ts'
import type { FileCheckSpec, Probe } from '../check.ts'
import { down, failureText, up, type Verdict } from './verdict.ts'

/** keepalived.conf(5): what would be less than this is a failure. */
const least = -2_147_483_648

/** Left out or empty, the file says 0. */
export function fileProbe({ path, weight = 0 }: FileCheckSpec): Probe {
  return async () => {
    const begun = performance.now()
    const verdict = await look().catch((error: unknown) => down(`${path}: ${failureText(error)}`))
    return { ...verdict, tookMs: performance.now() - begun }
  }
  async function look(): Promise<Verdict> {
    const value = await readNumber(path)
    if (value === undefined) return down(`${path} holds no number`)
    if (weight === 0) return value === 0 ? up(`${path} holds 0`) : down(`${path} holds ${value}`)
    const added = value * weight
    if (added <= least) return down(`${path} holds ${value}`)
    return { ...up(`${path} holds ${value}`), report: { weight: { added } } }
  }
}
