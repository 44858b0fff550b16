import { readFileSync } from 'node:fs'
import { underOtherKernel } from '/work/wt-ha/labs/kernel/guest.ts'

const { code, output } = await underOtherKernel(readFileSync(0, 'utf8'), { signal: AbortSignal.timeout(500_000) })
console.log(output)
console.log('CODE', code)
