/** The committed object is what its sources give. Another compiler writes other bytes: only clang 14, Debian 12's, is asked. */
import { expect, test } from 'vitest'
import { execute } from './world.ts'

const { stdout } = await execute('clang', ['--version'])
const isOurs = /version 14\./u.test(stdout)

test.skipIf(!isOurs)(`bpf/director.bpf.o is built from bpf/ (${stdout.split('\n')[0]})`, async () => {
  const checked = await execute(process.execPath, ['scripts/build-bpf.mjs', '--check'])
  expect(checked.stdout).toContain('the object is what its sources give')
})
