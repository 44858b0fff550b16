import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { localHost } from '../../../hosts/local/local.ts'
import { inTree } from '../tree.ts'
import { runCreateImage } from './front.ts'

/** Names of the lab alone: the tools' log lies in a folder of the machine. */
const name = `baton-lab-${process.pid}`
const host = localHost()
const soon = (): { signal: AbortSignal } => ({ signal: AbortSignal.timeout(120_000) })

let directory: string
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'baton-xen-tools-'))
  const tree = `${directory}/tree`
  for (const folder of ['bin', 'boot', 'etc', 'usr/sbin', 'roles']) mkdirSync(`${tree}/${folder}`, { recursive: true })
  await must('cp', '/bin/busybox', `${tree}/bin/busybox`)
  for (const path of ['bin/sh', 'bin/touch']) symlinkSync('/bin/busybox', `${tree}/${path}`)
  writeFileSync(`${tree}/etc/passwd`, 'root:x:0:0:root:/root:/bin/sh\n')
  writeFileSync(`${tree}/usr/sbin/chpasswd`, '#!/bin/sh\nread -r line\necho "$@ $line" > /etc/said\n', { mode: 0o755 })
  // It must be replaced, not written through.
  symlinkSync(`${directory}/outside`, `${tree}/etc/resolv.conf`)
  writeFileSync(`${directory}/outside`, 'untouched\n')
  for (const file of ['vmlinuz-6.1', 'initrd.img-6.1']) writeFileSync(`${tree}/boot/${file}`, 'x')
  mkdirSync(`${directory}/roles`)
  await must('tar', '-C', tree, '-cf', `${directory}/tree.tar`, '.')
})
afterEach(() => {
  rmSync(directory, { recursive: true, force: true })
  rmSync(`/var/log/xen-tools/${name}.log`, { force: true })
})

async function must(...command: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await host.run(command, soon())
  if (code !== 0) throw new Error(`${command.join(' ')}: ${stderr}`)
  return stdout
}

function role(path: string, text: string): void {
  writeFileSync(`${directory}/roles/${path}`, `#!/bin/sh\n${text}`)
  chmodSync(`${directory}/roles/${path}`, 0o755)
}

const create = (...more: readonly string[]) => {
  const place = [`--dir=${directory}`, `--output=${directory}`, `--roledir=${directory}/roles`, '--nohosts']
  const system = ['--install-method=tar', `--install-source=${directory}/tree.tar`, '--pygrub', '--fs=ext4']
  const words = [`--hostname=${name}`, ...place, ...system, '--ip=192.0.2.5', '--size=32M', '--swap=8M', '--vcpus=1']
  return runCreateImage(host, [...words, ...more], () => {}, soon())
}
const image = () => ({ path: `${directory}/domains/${name}/disk.img`, fs: 'ext4', mountpoint: '/' })

/** Nothing of the run is mounted, and no loop device holds a file of it. */
async function expectNothingHeld(): Promise<void> {
  expect(readFileSync('/proc/mounts', 'utf8')).not.toContain('/run/baton/tree')
  expect(await must('losetup', '-a')).not.toContain(directory)
}

describe('a guest made of a tree', () => {
  test('boots by a menu, has its name and network, and what its role did, with the environment of xen-tools', async () => {
    role('mark', 'echo "$hostname $ip1 $NUMPARTITIONS $2" > "$1/etc/mark"\nchroot "$1" touch /etc/inside\n')
    const { code, stderr } = await create('--role=mark', '--role-args=one two', '--password=secret')
    expect([code, stderr]).toEqual([0, ''])
    const files = 'etc/hostname etc/mark etc/network/interfaces boot/grub/menu.lst etc/said'
    const script = `cd "$tree"; cat ${files}; ls etc/inside; [ ! -e usr/sbin/policy-rc.d ]; [ ! -L etc/resolv.conf ]`
    const { stdout } = await inTree(host, 'look', [image()], script, [], soon())
    expect(stdout).toMatch(new RegExp(`^${name}\\n${name} 192.0.2.5 2 one\\n`))
    expect(stdout).toContain(' address 192.0.2.5\n')
    expect(stdout).toContain(
      'kernel /boot/vmlinuz-6.1 root=/dev/xvda2 ro console=hvc0 net.ifnames=0\ninitrd /boot/initrd.img-6.1\n',
    )
    expect(stdout).toMatch(/-c SHA512 root:secret\n/)
    expect(readFileSync(`${directory}/outside`, 'utf8')).toBe('untouched\n')
    expect(await must('blkid', '-p', '-s', 'TYPE', '-o', 'value', `${directory}/domains/${name}/swap.img`)).toBe(
      'swap\n',
    )
    expect(existsSync(`${directory}/${name}.cfg`)).toBe(true)
    await expectNothingHeld()
  })

  test('a role that fails, with a program left behind in the tree, takes all of it back', async () => {
    role('bad', 'chroot "$1" /bin/sh -c "while :; do :; done" > /dev/null 2>&1 &\necho no luck >&2\nexit 3\n')
    const { code, stderr } = await create('--role=bad')
    expect([code, stderr]).toEqual([127, expect.stringContaining('no luck')])
    expect(existsSync(`${directory}/domains/${name}`)).toBe(false)
    expect(existsSync(`${directory}/${name}.cfg`)).toBe(false)
    await expectNothingHeld()
  })

  test('a tree that does not fit is told as that, and takes all of it back', async () => {
    const { code, stderr } = await create('--size=1M')
    expect([code, stderr]).toEqual([127, expect.stringMatching(/--size|No space/)])
    expect(existsSync(`${directory}/domains/${name}`)).toBe(false)
    await expectNothingHeld()
  })
})
