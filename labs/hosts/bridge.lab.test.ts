/** A bridge laid over the very card that the order for it comes in by: a real sshd, ifupdown and veth pair in namespaces. */
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { prepareHost } from '../../src/hosts/prepare/carry-out.ts'
import { networkSteps } from '../../src/hosts/prepare/network/network.ts'
import { openSshHost, type SshHost } from '../../src/hosts/ssh/ssh.ts'
import { surveyHost } from '../../src/hosts/survey/survey.ts'
import { openChain } from '../net/namespaces.ts'
import { startSshd } from './sshd.ts'

const run = promisify(execFile)
const soon = (ms = 60_000): { signal: AbortSignal } => ({ signal: AbortSignal.timeout(ms) })

const patienceMs = 400_000

type World = AsyncDisposable & {
  readonly connect: (options?: { readonly signal: AbortSignal }) => Promise<SshHost>
  /** What stands for /etc/network there. */
  readonly directory: string
  readonly interfaces: string
  /** Of the card, as ifupdown sets it up. */
  readonly address: string
  inside(...command: readonly string[]): Promise<string>
}

/** The host is the right one of two namespaces; who orders sits in the left one. */
async function openWorld(): Promise<World> {
  const directory = await mkdtemp(join(tmpdir(), 'baton-bridge-'))
  const chain = await openChain(2)
  const address = chain.address(0, 2)
  const interfaces = `auto left0
iface left0 inet static
    address ${address}/24
    gateway ${chain.address(0, 1)}
`
  const [etc, state] = [join(directory, 'network'), join(directory, 'run')]
  await run('cp', ['-a', '/etc/network', etc])
  // What the packages of this machine hang on interfaces is not for these; bridge-utils makes bridges.
  for (const folder of ['if-up.d', 'if-down.d']) await rm(join(etc, folder), { recursive: true, force: true })
  await Promise.all([mkdir(join(etc, 'if-up.d')), mkdir(state)])
  await writeFile(join(etc, 'interfaces'), interfaces)
  // netplan and systemd-networkd of this machine know nothing of these namespaces.
  const hidden = join(directory, 'none')
  await mkdir(hidden)
  const sshd = await startSshd([`SetEnv BATON_STATE_DIR=${directory}/state BATON_RUNTIME_DIR=${directory}/runtime`], {
    namespace: chain.namespaces[1] ?? '',
    address,
    mounts: { '/etc/network': etc, '/run/network': state, '/etc/netplan': hidden },
  })
  await sshd.configure([`ProxyCommand ip netns exec ${chain.namespaces[0]} socat - TCP:%h:%p`])
  const connect: World['connect'] = (options = soon()) =>
    openSshHost(
      { host: address, port: sshd.port, user: 'root' },
      { name: 'hv1', environment: sshd.environment },
      options,
    )
  await using host = await connect()
  // The card is as the namespaces were made: ifupdown takes it over, as at a boot.
  await host.run(
    [
      'sh',
      '-c',
      'ip route replace default via "$1"; echo left0=left0 > /run/network/ifstate',
      'sh',
      chain.address(0, 1),
    ],
    soon(),
  )
  return {
    connect,
    directory: etc,
    interfaces,
    address,
    inside: (...command) => chain.run(1, command),
    async [Symbol.asyncDispose]() {
      await sshd[Symbol.asyncDispose]()
      await chain[Symbol.asyncDispose]()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

async function layBridge(world: World, patienceSeconds: number): Promise<SshHost> {
  const host = await world.connect()
  const steps = networkSteps(await surveyHost(host, soon()), { bridge: 'xenbr0' })
  expect(steps.map(({ what }) => what)).toEqual(['make the bridge xenbr0 over left0, by ifupdown'])
  const options = { ...soon(150_000), patienceSeconds, onStep: () => {}, reconnect: world.connect }
  return (await prepareHost(host, steps, options)) as SshHost
}

test(
  'a bridge is laid over the card that the connection runs over, and stands when a new one has come through',
  async () => {
    await using world = await openWorld()
    await using host = await layBridge(world, 60)
    const addresses = await world.inside('ip', '-br', '-4', 'address')
    expect(addresses).toMatch(new RegExp(`^xenbr0 .* ${world.address}/24`, 'm'))
    expect(addresses).not.toMatch(/^left0.* \d+\.\d+/m)
    expect(await world.inside('bridge', 'link')).toMatch(/left0.* master xenbr0 state forwarding/)
    expect(await world.inside('ip', 'route')).toMatch(/^default via .* dev xenbr0/m)
    expect(await readFile(join(world.directory, 'interfaces'), 'utf8')).toContain('iface xenbr0 inet static\n')
    const copies = (await host.list(`${host.directories.state}/copies`, soon())) ?? []
    expect(copies).toEqual(['etc-network-interfaces.1'])
    // A second run has nothing to do.
    expect(networkSteps(await surveyHost(host, soon()), { bridge: 'xenbr0' })).toEqual([])
  },
  patienceMs,
)

test(
  'a bridge that cuts the connection is put back by the host itself, and all is as it was',
  async () => {
    await using world = await openWorld()
    const trap = '#!/bin/sh\n[ "$IFACE" != xenbr0 ] || ip address flush dev xenbr0\n'
    await writeFile(join(world.directory, 'if-up.d/trap'), trap, { mode: 0o755 })
    await expect(layBridge(world, 10)).rejects.toThrow(
      'xenbr0 was taken back: nobody came over the new way within 10 s',
    )
    await using host = await world.connect()
    expect((await host.run(['true'], soon())).code).toBe(0)
    expect(await readFile(join(world.directory, 'interfaces'), 'utf8')).toBe(world.interfaces)
    expect(await world.inside('ip', '-br', '-4', 'address')).toMatch(
      new RegExp(`^left0\\S* .* ${world.address}/24`, 'm'),
    )
    expect(await world.inside('ip', '-br', 'link')).not.toContain('xenbr0')
    expect(await world.inside('ip', 'route')).toMatch(/^default via .* dev left0/m)
  },
  patienceMs,
)

test(
  'a command of the new set-up that fails is put back at once, and named',
  async () => {
    await using world = await openWorld()
    const trap = '#!/bin/sh\n[ "$IFACE" != xenbr0 ] || exit 1\n'
    await writeFile(join(world.directory, 'if-pre-up.d/trap'), trap, { mode: 0o755 })
    await expect(layBridge(world, 60)).rejects.toThrow('xenbr0 was taken back: ifup xenbr0 failed')
    expect(await readFile(join(world.directory, 'interfaces'), 'utf8')).toBe(world.interfaces)
    await using host = await world.connect()
    expect((await host.run(['true'], soon())).code).toBe(0)
  },
  patienceMs,
)
