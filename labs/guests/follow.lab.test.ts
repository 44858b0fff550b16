/** A guest's address changes under a running service: real DHCP on a bridge, in a network and mount namespace of its own. Root only. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import type { StatusJson } from '../../src/cli/local/status.ts'
import { macOfGuest } from '../../src/guests/mac-address.ts'
import { openHypervisor } from '../../src/guests/open.ts'
import { localHost } from '../../src/hosts/local/local.ts'
import { execute } from '../ebpf/world.ts'
import { type Baton, openBaton } from '../hello/baton.ts'
import { patienceMs, soon } from './world.ts'

const isRoot = process.getuid?.() === 0
if (!isRoot) console.warn('skipped: guests on a bridge need root')

const spec = `name: follow
hosts: { here: { bridge: br0 } }
guests: { web: { count: 2, image: tiny, memory: 96M, network: dhcp } }
services:
  www:
    address: 10.93.0.1:8080
    scheduler: rr
    servers: [ { guests: web, port: 80 } ]
    check: { http: /healthz, every: 1s, timeout: 900ms, rise: 1, fall: 2 }
directors: { engine: userspace }
`
const mac = macOfGuest('qemu', { name: 'web-1', mark: { cluster: 'follow', pool: 'web' } })

type World = AsyncDisposable & {
  readonly baton: Baton
  readonly inside: (...command: string[]) => Promise<string>
  /** The DHCP server gives web-1 this address from now on. */
  readonly give: (address: string) => void
}

async function openWorld(): Promise<World> {
  // What it mounts and the interfaces that it makes go with this process.
  const holder = spawn('unshare', ['--mount', '--net', '--propagation', 'private', 'sleep', 'infinity'])
  await once(holder, 'spawn')
  const within = ['nsenter', `--mount=/proc/${holder.pid}/ns/mnt`, `--net=/proc/${holder.pid}/ns/net`]
  const inside = async (...command: string[]): Promise<string> =>
    (await execute('nsenter', [...within.slice(1), ...command])).stdout
  const baton = openBaton(within)
  const hosts = join(baton.directory, 'hosts')
  const pid = join(baton.directory, 'dnsmasq.pid')
  let server: ReturnType<typeof spawn> | undefined
  const world: World = {
    baton,
    inside,
    give(address) {
      writeFileSync(hosts, `${mac},${address}\n`)
      if (server !== undefined) process.kill(Number(readFileSync(pid, 'utf8')), 'SIGHUP')
    },
    async [Symbol.asyncDispose]() {
      await baton[Symbol.asyncDispose]()
      for (const child of [server, holder]) {
        if (child === undefined || child.exitCode !== null) continue
        const gone = once(child, 'exit')
        child.kill('SIGKILL')
        await gone
      }
    },
  }
  try {
    // unshare(1) needs a moment until it has become a namespace of its own.
    const ours = await execute('readlink', ['/proc/self/ns/mnt'])
    await expect
      .poll(async () => (await execute('readlink', [`/proc/${holder.pid}/ns/mnt`])).stdout, { timeout: patienceMs })
      .not.toBe(ours.stdout)
    mkdirSync(join(baton.directory, 'leases'))
    await inside('mount', '--bind', join(baton.directory, 'leases'), '/var/lib/misc')
    for (const words of [
      ['link', 'set', 'lo', 'up'],
      ['link', 'add', 'br0', 'type', 'bridge'],
      ['address', 'add', '10.93.0.1/24', 'dev', 'br0'],
      ['link', 'set', 'br0', 'up'],
    ])
      await inside('ip', ...words)
    world.give('10.93.0.101')
    const options = ['--port=0', '--interface=br0', '--bind-interfaces', '--dhcp-range=10.93.0.10,10.93.0.60,1h']
    const files = [
      '--conf-file=/dev/null',
      `--dhcp-hostsfile=${hosts}`,
      `--pid-file=${pid}`,
      '--user=root',
      '--no-ping',
    ]
    server = spawn('nsenter', [...within.slice(1), 'dnsmasq', '--keep-in-foreground', ...options, ...files], {
      stdio: 'ignore',
    })
    return world
  } catch (error) {
    await world[Symbol.asyncDispose]()
    throw error
  }
}

describe.runIf(isRoot)('a guest whose address changes', () => {
  beforeAll(() => execute(process.execPath, ['scripts/build.mjs']))

  test('is followed by its service, and no request fails meanwhile', async () => {
    await using world = await openWorld()
    const { baton, inside } = world
    const file = join(baton.directory, 'follow.yaml')
    writeFileSync(file, spec)
    // Where guests boot slowly it gives up waiting for their addresses, and goes on when it is run again.
    await expect.poll(async () => (await baton.run('up', file)).code, { timeout: 4 * patienceMs }).toBe(0)
    const place = async (): Promise<{ address?: string; weight?: number | undefined }> => {
      const { services } = await baton.json<StatusJson>('status', '--json')
      const server = services[0]?.servers.find(({ guest }) => guest === 'web-1')
      return server === undefined ? {} : { address: server.address, weight: server.weight }
    }
    expect(await place()).toEqual({ address: '10.93.0.101:80', weight: 1 })

    world.give('10.93.0.202')
    const { runtime, state } = { runtime: join(baton.directory, 'run'), state: join(baton.directory, 'state') }
    const host = localHost({ directories: { runtime, state, cache: baton.environment['BATON_CACHE_DIR'] ?? '' } })
    const line = await openHypervisor('qemu', host).console('web-1', soon())
    // Gives its lease back, and asks for another one.
    line.write('busybox killall -USR2 udhcpc; sleep 1; busybox killall -USR1 udhcpc\n')

    const answers = new Set<string>()
    const failures: string[] = []
    const ask = async (): Promise<void> => {
      const answer = await inside('curl', '-s', '-m', '10', 'http://10.93.0.1:8080/').catch((error: unknown) =>
        String(error),
      )
      if (/^hello from web-[12]/.test(answer)) answers.add(answer.trim())
      else failures.push(answer)
    }
    const moved = async (): Promise<unknown> => {
      await ask()
      return await place()
    }
    await expect.poll(moved, { timeout: patienceMs, interval: 200 }).toEqual({ address: '10.93.0.202:80', weight: 1 })
    answers.clear()
    await expect.poll(async () => ask().then(() => answers.size), { timeout: patienceMs }).toBe(2)
    expect(failures).toEqual([])
    line.destroy()
    const down = await baton.run('down', file)
    expect(down.code, down.stdout + down.stderr).toBe(0)
  }, 420_000)
})
