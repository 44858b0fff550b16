/** Guests of xen-create-image under the real xl: Debian by pygrub out of image files, and a tree on LVM. */
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { runCreateImage } from '../../src/compat/xen-tools/create/front.ts'
import { runDeleteImage } from '../../src/compat/xen-tools/delete.ts'
import { listVolumes } from '../../src/guests/storage/lvm.ts'
import type { CreatedGuest } from './created.ts'
import { guestKernel, guestRamdisk, soon, type XenWorld } from './world.ts'

/** Debian, with 256 MiB, under TCG, after pygrub has read its kernel. */
const bootMs = 900_000
/** The first that QEMU's DHCP gives. */
export const firstDynamic = '10.0.2.30'

export async function bootCreated({ hypervisor, dom0, must, find }: XenWorld, created: CreatedGuest): Promise<string> {
  const { name, directory, config } = created
  await must('mkdir', '-p', directory)
  // It was empty when Dom0 booted, which may have read its beginning.
  await must('blockdev', '--flushbufs', '/dev/vdc')
  await must('mount', '/dev/vdc', directory)
  await dom0.host.writeFile(`/etc/xen/${name}.cfg`, config, soon())
  const signal = AbortSignal.timeout(bootMs)
  await hypervisor.start(name, { signal })
  const ask = [
    'sh',
    '-c',
    'socat -T 5 -u "TCP:$1:22,connect-timeout=5" - 2> /dev/null | head -c 20',
    'sh',
    firstDynamic,
  ]
  let greeting = ''
  while (!greeting.startsWith('SSH-2.0')) {
    assert.equal((await find(name))?.state, 'running', await hypervisor.consoleLog(name, { maxBytes: 4000, ...soon() }))
    greeting = (await dom0.host.run(ask, soon())).stdout
    await sleep(1000, undefined, { signal })
  }
  const log = await hypervisor.consoleLog(name, { maxBytes: 262_144, ...soon() })
  assert.doesNotMatch(log, /Out of memory|deadlocked on memory|Failed to start .*networking/)
  await hypervisor.shutdown(name, { signal: AbortSignal.timeout(bootMs) })
  assert.equal((await find(name))?.state, 'stopped')
  await dom0.host.remove(`/etc/xen/${name}.cfg`, soon())
  await must('umount', directory)
  return `${name} booted by pygrub with 256M, took ${firstDynamic} by DHCP, answers as ${greeting.trim()}, and shut down`
}

export async function createOnVolumes({ dom0: { host }, must }: XenWorld): Promise<string> {
  await must('tar', '-C', '/bin', '-cf', '/srv/guests/tree.tar', 'busybox')
  const system = ['--install-method=tar', '--install-source=/srv/guests/tree.tar']
  const start = ['--nopygrub', `--kernel=${guestKernel}`, `--initrd=${guestRamdisk}`, '--bridge=xenbr0']
  const place = ['--lvm=vg0', '--size=32M', '--swap=8M', '--memory=112M', '--fs=ext4', '--dhcp', '--nohosts', '--boot']
  const said: string[] = []
  const say = (text: string): void => void said.push(text)
  const names = async (): Promise<string[]> => (await listVolumes(host, 'vg0', soon())).map(({ name }) => name).sort()
  const before = await names()
  const made = await runCreateImage(host, ['--hostname=tree', ...place, ...system, ...start], say, soon())
  assert.equal(made.code, 0, made.stderr + said.join(''))
  assert.match(await must('xl', 'list'), /^tree /m)
  assert.match(await must('xl', 'block-list', 'tree'), /51714[^]*51713|51713[^]*51714/)
  assert.deepEqual(await names(), [...before, 'tree-disk', 'tree-swap'].sort())
  const refused = await runDeleteImage(host, ['--lvm=vg0', 'tree'], say, soon())
  assert.equal(refused.code, 127)
  await must('xl', 'destroy', 'tree')
  const again = await runCreateImage(host, ['--hostname=tree', ...place, ...system, ...start], say, soon())
  assert.equal(again.code, 127)
  const gone = await runDeleteImage(host, ['--lvm=vg0', 'tree'], say, soon())
  assert.equal(gone.code, 0, gone.stderr + said.join(''))
  assert.deepEqual(await names(), before)
  return 'tree-disk and tree-swap are xvda2 and xvda1 of a domain; while it runs they stay, then they go'
}
