/** The committed object is what its sources give, and what older kernels take. Another compiler writes other bytes: only clang 14, Debian 12's, is asked. */
import { expect, test } from 'vitest'
import { deepestChains, mostStack } from './stack.ts'
import { execute } from './world.ts'

const { stdout } = await execute('clang', ['--version'])
const isOurs = /version 14\./u.test(stdout)

test.skipIf(!isOurs)(`bpf/director.bpf.o is built from bpf/ (${stdout.split('\n')[0]})`, async () => {
  const checked = await execute(process.execPath, ['scripts/build-bpf.mjs', '--check'])
  expect(checked.stdout).toContain('the object is what its sources give')
})

test('no chain of calls takes more stack than kernels before 6.3 allow', async () => {
  const chains = await deepestChains('bpf/director.bpf.o')
  expect(chains.length).toBeGreaterThan(2)
  expect(chains.filter(({ bytes }) => bytes > mostStack)).toEqual([])
})
