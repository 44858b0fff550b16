/**
 * The eBPF engine under Linux 6.1, where it attaches as a filter of clsact and an older verifier looks at it: this lab's own
 * tests, run once more in a guest with that kernel.
 */
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { underOtherKernel } from '../kernel/guest.ts'
import { execute } from './world.ts'

const root = join(import.meta.dirname, '../..')
const files = [
  'labs/ebpf/packets.lab.test.ts',
  'labs/ebpf/selftest.lab.test.ts',
  'src/engines/ebpf/ebpf.lab.test.ts',
] as const

/** Each case of the contract has the program loaded, which takes an emulated processor seconds: a few show that tables are. */
const cases = 'an engine begins|what is applied|removing a service|what it takes is listed'
/** By name: minutes of load, and what no kernel has a part in, are not for it either. */
const left = `killed|upgrade|its state|(engine|porting) contract: ebpf (?!${cases})`

type Report = {
  readonly testResults: readonly {
    readonly name: string
    readonly message: string
    readonly assertionResults: readonly {
      readonly fullName: string
      readonly status: string
      readonly failureMessages: readonly string[]
    }[]
  }[]
}

let kernel = ''
let report: Report

beforeAll(async () => {
  await execute(process.execPath, ['scripts/build.mjs'])
  const run = `node node_modules/vitest/vitest.mjs run --project lab --configLoader runner --no-isolate --testTimeout 120000 --reporter json \\
  --outputFile /run/report.json --testNamePattern '^(?!.*(${left}))' ${files.join(' ')} > /run/said 2>&1`
  // A copy, since the overlay of 5.15 makes no folders over virtiofs.
  const copy = `mkdir /run/copy\ntar -C ${root} -c --exclude ./node_modules --exclude ./.git . | tar -C /run/copy -x
ln -s ${root}/node_modules /run/copy/node_modules\ncd /run/copy`
  const script = `export HOME=/root TMPDIR=/run PATH=${process.env['PATH'] ?? ''}\n${copy}\nuname -r\n${run}\ncat /run/report.json || cat /run/said\necho\n`
  const { output } = await underOtherKernel(script, { signal: AbortSignal.timeout(600_000) })
  const at = output.indexOf('\n')
  kernel = output.slice(0, at)
  const told = output.slice(at).trim()
  if (!told.startsWith('{')) throw new Error(`no test ran under ${kernel}: ${told}`)
  report = JSON.parse(told) as Report
}, 620_000)

describe('under an older kernel', () => {
  test('it is one without tcx', () => {
    const [major = 0, minor = 0] = kernel.split('.').map(Number)
    expect(major < 6 || minor < 6, kernel).toBe(true)
  })

  test.each(files)('%s', (file) => {
    const found = report.testResults.find(({ name }) => name.endsWith(file))
    const results = found?.assertionResults.filter(({ status }) => status !== 'skipped' && status !== 'pending') ?? []
    expect(
      results.filter(({ status }) => status !== 'passed'),
      found?.message,
    ).toEqual([])
    expect(results.length, found?.message).toBeGreaterThan(2)
  })
})
