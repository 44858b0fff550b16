/** A guest that is changed while it runs. */
import assert from 'node:assert/strict'
import { isInfraError } from '../../src/errors.ts'
import { machineOf } from '../../src/guests/machine.ts'
import { soon, type XenWorld } from './world.ts'

const mebibyte = 1024 ** 2

export async function changeLive({ hypervisor, must, find }: XenWorld, name: string): Promise<string> {
  const { resize } = machineOf(hypervisor, 'resize')
  const { attach } = machineOf(hypervisor, 'attach')
  const { detach } = machineOf(hypervisor, 'detach')
  const { migrate } = machineOf(hypervisor, 'migrate')
  assert.equal(await resize(name, { memoryBytes: 100 * mebibyte }, soon()), 'now')
  assert.equal((await find(name))?.definition.memoryBytes, 100 * mebibyte)
  assert.equal(await resize(name, { memoryBytes: 112 * mebibyte }, soon()), 'now')
  await must('truncate', '-s', '8M', '/srv/guests/more.img')
  const disk = { kind: 'disk', path: '/srv/guests/more.img', format: 'raw', isReadOnly: false } as const
  const { target } = await attach(name, disk, soon())
  const card = await attach(name, { kind: 'network', bridge: 'xenbr0' }, soon())
  const noBridge = await codeOf(attach(name, { kind: 'network', bridge: 'nobr' }, soon()))
  assert.match(await must('xl', 'block-list', name), /^51\d{3} /m)
  assert.equal((await must('xl', 'network-list', name)).trim().split('\n').length, 3)
  await detach(name, disk.path, soon())
  await detach(name, card.name, soon())
  assert.equal((await must('xl', 'network-list', name)).trim().split('\n').length, 2)
  const moved = await codeOf(migrate(name, 'elsewhere', soon()))
  assert.deepEqual([noBridge, moved], ['not-found', 'unsupported'])
  assert.equal((await find(name))?.state, 'running')
  return `${name} had 100M and 112M again; ${target} and a card came and went; what cannot be is refused`
}

async function codeOf(failing: Promise<unknown>): Promise<string | undefined> {
  const error: unknown = await failing.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  return isInfraError(error) ? error.code : undefined
}
