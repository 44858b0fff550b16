import { describe, expect, test } from 'vitest'
import { type FakeCommand, fakeHost } from '../../hosts/fake/fake.ts'
import type { GuestDefinition } from '../hypervisor.ts'
import { standingDefinition } from '../lifecycle.ts'
import { guestSeed } from '../seed.ts'
import { ensureDisk } from '../storage/dir.ts'
import { findAcceleration } from './acceleration.ts'
import { qemuArguments, tapName } from './arguments.ts'
import { type ProcessState, runStateOf, withForwards } from './observe.ts'
import { checkPaths, guestPaths } from './paths.ts'
import { findProcess, parseUsage } from './process.ts'
import { qemuHypervisor } from './qemu.ts'
import { forwardChanges, parseForwards, refusedForward } from './user-network.ts'

const soon = (): { signal: AbortSignal } => ({ signal: AbortSignal.timeout(5000) })
const directories = { runtime: '/run/b', state: '/var/b', cache: '/cache/b' }
const paths = guestPaths(directories, 'web-1')

function guest(change: Partial<GuestDefinition> = {}): GuestDefinition {
  return {
    name: 'web-1',
    memoryBytes: 128 * 1024 ** 2,
    vcpus: 2,
    image: 'digest',
    boot: { kind: 'kernel', kernel: '/i/vmlinuz', initrd: '/i/initrd', cmdline: 'console=ttyS0' },
    disks: [],
    network: { kind: 'user', forwards: [{ protocol: 'tcp', port: 80 }] },
    autostart: false,
    ...change,
  }
}

const usernet = `Hub -1 (net0):\r
  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ\r
  TCP[ESTABLISHED]   17       127.0.0.1 39295       10.0.2.15    80     0     0\r
  UDP[HOST_FORWARD]  16       127.0.0.1 35355       10.0.2.15    53     0     0\r
  TCP[HOST_FORWARD]  12       127.0.0.1 39295       10.0.2.15    80     0     0\r
`

describe('user network', () => {
  test('forwards are read from what the monitor prints, connections are not', () => {
    expect(parseForwards(usernet)).toEqual([
      { protocol: 'udp', address: '127.0.0.1', port: 35355, guestPort: 53 },
      { protocol: 'tcp', address: '127.0.0.1', port: 39295, guestPort: 80 },
    ])
  })

  test('only what differs is changed', () => {
    const wanted = [
      { protocol: 'tcp', port: 80 },
      { protocol: 'tcp', port: 53 },
    ] as const
    expect(forwardChanges(parseForwards(usernet), wanted)).toEqual([
      'hostfwd_remove net0 udp:127.0.0.1:35355',
      'hostfwd_add net0 tcp:127.0.0.1:0-:53',
    ])
  })

  test('the port that somebody else has is found in what QEMU says', () => {
    const stderr =
      "qemu-system-x86_64: -netdev user,id=net0: Could not set up host forwarding rule 'tcp:127.0.0.1:80-:80'"
    expect(refusedForward(stderr)).toEqual({ protocol: 'tcp', port: 80 })
    expect(refusedForward('Cannot allocate memory')).toBeUndefined()
  })
})

describe('arguments', () => {
  const launch = { acceleration: 'tcg', paths, ports: [], restore: false, extras: [] } as const

  test('last ports are asked for again, others are left to the kernel', () => {
    const network = { kind: 'user', forwards: [{ protocol: 'tcp', port: 80 }, { protocol: 'udp', port: 53 }] } as const // biome-ignore format: a line
    const ports = [{ protocol: 'tcp', guestPort: 80, address: '127.0.0.1', port: 40001 }] as const
    expect(qemuArguments(guest({ network }), { ...launch, ports })).toContain(
      'user,id=net0,hostfwd=tcp:127.0.0.1:40001-:80,hostfwd=udp:127.0.0.1:0-:53',
    )
  })

  test('a comma in a path stays one path', () => {
    const odd = guestPaths({ ...directories, state: '/var/a,b' }, 'web-1')
    const args = qemuArguments(guest({ disks: [{ sizeBytes: 1 }] }), { ...launch, paths: odd })
    expect(args.find((arg) => arg.startsWith('file='))).toMatch(/^file=\/var\/a,,b\/guests\/web-1\/disk0.qcow2,format=/)
  })

  test('the disk boots before the disc, and a seed stands behind all that others count', () => {
    const args = qemuArguments(
      guest({ boot: { kind: 'disk', disc: '/c/disc.iso' }, disks: [{ sizeBytes: 1 }], seed: guestSeed({}) }),
      { ...launch, paths },
    )
    expect(args).toContain('virtio-blk-pci,drive=disk0,bootindex=1')
    expect(args).toContain('ide-cd,drive=disc,bootindex=2')
    expect(args.at(-1)).toBe('virtio-blk-pci,drive=seed')
    expect(qemuArguments(guest({ disks: [{ sizeBytes: 1 }] }), launch)).toContain('virtio-blk-pci,drive=disk0')
  })

  test('taps are named apart for guests and users', () => {
    expect(tapName(paths).length).toBeLessThanOrEqual(15)
    expect(tapName(paths)).not.toBe(tapName({ state: '/home/ann/guests/web-1' }))
  })

  test('a runtime directory that is too deep for sockets is refused in words', () => {
    const deep = guestPaths({ ...directories, runtime: `/tmp/${'d'.repeat(90)}` }, 'web-1')
    expect(() => checkPaths(deep, 'web-1')).toThrow(/too long for a socket/)
    expect(() => checkPaths(paths, 'web-1')).not.toThrow()
  })
})

describe('state of a guest', () => {
  const alive = (status: string): ProcessState => ({ kind: 'alive', pid: 7, status })
  test.each([
    { name: 'no process', process: { kind: 'none' }, saved: false, state: 'stopped' },
    { name: 'no process beside saved memory', process: { kind: 'none' }, saved: true, state: 'saved' },
    { name: 'a process that died', process: { kind: 'crashed' }, saved: false, state: 'crashed' },
    { name: 'a restore that died', process: { kind: 'crashed' }, saved: true, state: 'saved' },
    { name: 'a running process', process: alive('running'), saved: false, state: 'running' },
    { name: 'a stopped machine', process: alive('paused'), saved: false, state: 'paused' },
    { name: 'a machine without disk space', process: alive('io-error'), saved: false, state: 'paused' },
    { name: 'memory being loaded', process: alive('inmigrate'), saved: true, state: 'saved' },
    { name: 'memory just written', process: alive('postmigrate'), saved: true, state: 'saved' },
    { name: 'a process that does not answer', process: { kind: 'silent', pid: 7 }, saved: false, state: 'running' },
  ] as const)('$name: $state', ({ process, saved, state }) => {
    expect(runStateOf(process, saved)).toBe(state)
  })

  test('a running guest is what it was started as, with the mark and forwards of now', () => {
    const forwards = [{ protocol: 'tcp', port: 443 }, { protocol: 'tcp', port: 80 }] as const // biome-ignore format: a line
    const mark = { cluster: 'shop', pool: 'web' }
    const recorded = guest({ memoryBytes: 2 ** 28, mark, autostart: true, network: { kind: 'user', forwards } })
    const reach = [80, 443].map((port) => ({ protocol: 'tcp', guestPort: port, address: '127.0.0.1', port }) as const)
    const standing = standingDefinition(recorded, guest())
    expect(standing).toEqual({ ...recorded, memoryBytes: guest().memoryBytes })
    expect(withForwards(standing, reach)).toEqual(standing)
    expect(withForwards(standing, reach.slice(0, 1)).network).toEqual(guest().network)
    expect(standingDefinition(guest(), recorded)).not.toHaveProperty('mark')
  })
})

describe('process', () => {
  const commandLine = (pid: string): string => ['qemu', '-name', 'x', '-pidfile', pid, ''].join('\0')
  test.each([
    { name: 'no pid file', files: {}, found: undefined },
    { name: 'our process', files: { [paths.pid]: '7\n', '/proc/7/cmdline': commandLine(paths.pid) }, found: 7 },
    { name: 'a pid file without its process', files: { [paths.pid]: '7\n' }, found: 'crashed' },
    { name: 'a number that another program has now', files: { [paths.pid]: '7', '/proc/7/cmdline': 'sh\0-c\0' }, found: 'crashed' }, // biome-ignore format: a line
    { name: "another guest's process", files: { [paths.pid]: '7', '/proc/7/cmdline': commandLine('/run/b/guests/web-2/pid') }, found: 'crashed' }, // biome-ignore format: a line
    { name: 'a zombie', files: { [paths.pid]: '7', '/proc/7/cmdline': '' }, found: 'crashed' },
    { name: 'nonsense in the pid file', files: { [paths.pid]: 'x' }, found: 'crashed' },
  ])('$name', async ({ files, found }) => {
    const host = fakeHost()
    for (const [path, content] of Object.entries(files)) await host.writeFile(path, content, soon())
    expect(await findProcess(host, paths, soon())).toBe(found)
  })

  test('usage is read behind a name with spaces and parentheses', () => {
    const stat = '7 (baton-x) (y) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 4 0 100 1000 200'
    expect(parseUsage(stat, '1000 300 50 1 0 40 0')).toEqual({ cpuSeconds: 3, residentBytes: 300 * 4096 })
  })
})

describe('acceleration', () => {
  const code = (exit: number, stderr = ''): FakeCommand => async () => ({ code: exit, stdout: '', stderr }) // biome-ignore format: a line
  const hang: FakeCommand = (_args, { signal }) =>
    new Promise((resolve) => signal.addEventListener('abort', () => resolve({ code: 143, stdout: '', stderr: '' })))

  test.each([
    { name: 'no device', sh: 3, flags: ['vmx'], probe: code(33), kind: 'tcg', reason: /no \/dev\/kvm/ },
    { name: 'no permission', sh: 2, flags: ['vmx'], probe: code(33), kind: 'tcg', reason: /group kvm/ },
    { name: 'no flag', sh: 0, flags: ['sse'], probe: code(33), kind: 'tcg', reason: /vmx nor svm/ },
    { name: 'a probe that dies', sh: 0, flags: ['svm'], probe: code(134, 'set MSR'), kind: 'tcg', reason: /set MSR/ }, // biome-ignore format: a line
    { name: 'a probe that hangs', sh: 0, flags: ['svm'], probe: hang, kind: 'tcg', reason: /did not run within/ }, // biome-ignore format: a line
    { name: 'a probe that runs', sh: 0, flags: ['svm'], probe: code(33), kind: 'kvm', reason: /probe guest ran/ }, // biome-ignore format: a line
  ])('$name means $kind', async ({ sh, flags, probe, kind, reason }) => {
    const host = fakeHost({ facts: { cpuFlags: flags } })
    host.install('sh', code(sh))
    host.install('qemu-system-x86_64', probe)
    const quick = { ...soon(), probeMs: 50 }
    const found = await findAcceleration(host, quick)
    expect(found).toMatchObject({ kind, reason: expect.stringMatching(reason) as unknown })
    const wasProbed = sh === 0 && flags[0] !== 'sse'
    expect((await host.list(host.directories.cache, soon())) ?? []).toEqual(wasProbed ? ['acceleration.json'] : [])
    host.install('qemu-system-x86_64', code(1, 'asked again'))
    expect(await findAcceleration(host, quick)).toEqual(found)
  })

  test('a damaged cache is asked anew, and another boot as well', async () => {
    const host = fakeHost()
    host.install('sh', code(0))
    host.install('qemu-system-x86_64', code(134, 'set MSR'))
    const path = `${host.directories.cache}/acceleration.json`
    for (const content of ['{', '{"bootId":"another","kind":"kvm","reason":"then"}']) {
      await host.writeFile(path, content, soon())
      expect((await findAcceleration(host, soon())).kind).toBe('tcg')
    }
  })

  test('a CPU that is not x86_64 is unsupported', async () => {
    const failing = findAcceleration(fakeHost({ facts: { architecture: 'aarch64' } }), soon())
    await expect(failing).rejects.toMatchObject({ code: 'unsupported' })
  })
})

describe('what is missing', () => {
  test('without QEMU, info and start name the one command that installs it', async () => {
    const host = fakeHost()
    for (const program of ['pgrep', 'sh', 'rmdir']) host.install(program, async () => ({ code: 0, stdout: '', stderr: '' })) // biome-ignore format: a line
    const hypervisor = qemuHypervisor(host)
    await hypervisor.define(guest(), soon())
    const missing = { code: 'missing-tool', hint: 'apt-get install qemu-system-x86 qemu-utils' }
    await expect(hypervisor.info(soon())).rejects.toMatchObject(missing)
    await expect(hypervisor.start('web-1', soon())).rejects.toMatchObject(missing)
    expect((await hypervisor.list(soon())).map(({ state }) => state)).toEqual(['stopped'])
    expect((await host.list(`${host.directories.runtime}/guests`, soon())) ?? []).toEqual([])
  })

  test('a disk that cannot be made leaves no new guest behind', async () => {
    const host = fakeHost()
    host.install('rmdir', async () => ({ code: 0, stdout: '', stderr: '' }))
    const hypervisor = qemuHypervisor(host)
    const failing = hypervisor.define(guest({ disks: [{ sizeBytes: 1024 }] }), soon())
    await expect(failing).rejects.toMatchObject({ code: 'missing-tool', hint: 'apt-get install qemu-utils' })
    expect(await hypervisor.list(soon())).toEqual([])
  })

  test('swap space is made raw, becomes qcow2, and leaves nothing else', async () => {
    const host = fakeHost()
    const calls: string[] = []
    for (const program of ['truncate', 'sh', 'qemu-img'])
      host.install(program, async (args) => {
        calls.push(`${program} ${args.includes('mkswap') ? 'mkswap' : args[0]}`)
        await host.writeFile(args.at(-1) ?? '', 'made', soon())
        return { code: 0, stdout: '', stderr: '' }
      })
    await ensureDisk(host, '/d/disk1', { sizeBytes: 16 * 1024 ** 2, isSwap: true }, soon())
    expect(calls).toEqual(['truncate -s', 'sh mkswap', 'qemu-img convert'])
    expect(await host.list('/d', soon())).toEqual(['disk1'])
  })

  test('a disk smaller than its image is refused', async () => {
    const host = fakeHost()
    host.install('qemu-img', async () => ({ code: 0, stdout: '{"virtual-size": 4096}', stderr: '' }))
    const disk = { base: { path: '/i/disk', format: 'qcow2' }, sizeBytes: 1024 } as const
    await expect(ensureDisk(host, '/d/disk0', disk, soon())).rejects.toMatchObject({ code: 'invalid' })
  })
})
