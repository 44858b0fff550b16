/** What a newcomer does, as root and with the eBPF engine: guests on a bridge that Baton makes, clients on another machine. */
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { filesIn } from '../../src/engines/ebpf/attachments.ts'
import { execute, openBpfWorld } from '../ebpf/world.ts'
import { type Baton, openBaton } from './baton.ts'

const example = readFileSync(join(import.meta.dirname, '../../examples/hello-ebpf.yaml'), 'utf8')
const service = '10.99.0.1:8080'

beforeAll(() => execute(process.execPath, ['scripts/build.mjs']))

type World = AsyncDisposable & {
  readonly baton: Baton
  /** A new connection from the client; '' when there was no answer. */
  ask(): Promise<string>
  /** What the machine has of interfaces, pins and locks. */
  traces(): Promise<string[]>
}

/** A machine with a client on its link: two namespaces. */
async function openWorld(): Promise<World> {
  const bpf = await openBpfWorld()
  const [machine, client] = ['machine', 'client'].map((place) => `baton-hello-${process.pid}-${place}`) as [
    string,
    string,
  ]
  const ip = async (...words: string[]): Promise<string> => (await execute('ip', words)).stdout
  const baton = openBaton(['nsenter', `--net=/run/netns/${machine}`])
  baton.environment['BATON_BPF_DIR'] = bpf.bpfFileSystem
  const world: World = {
    baton,
    ask: async () => {
      const curl = ['curl', '-s', '-m', '3', `http://${service}/`]
      const heard = await execute('ip', ['netns', 'exec', client, ...curl]).catch(() => ({ stdout: '' }))
      return heard.stdout.trim()
    },
    traces: async () => {
      const { ino } = statSync(`/run/netns/${machine}`)
      const locks = filesIn('/run/baton-ebpf').filter((name) => name.startsWith(`ebpf-${ino}-`))
      const links = (await ip('-n', machine, '-o', 'link'))
        .split('\n')
        .map((line) => line.split(':')[1]?.split('@')[0]?.trim() ?? '')
      const pins = readdirSync(bpf.bpfFileSystem, { recursive: true, encoding: 'utf8' })
      return [...links, ...locks, ...pins.filter((name) => name.includes('/'))].filter((name) => name !== '')
    },
    async [Symbol.asyncDispose]() {
      await baton[Symbol.asyncDispose]()
      for (const name of [machine, client]) await execute('ip', ['netns', 'delete', name]).catch(() => undefined)
      await bpf[Symbol.asyncDispose]()
    },
  }
  try {
    for (const name of [machine, client]) {
      await ip('netns', 'add', name)
      await ip('-n', name, 'link', 'set', 'lo', 'up')
    }
    await ip('-n', machine, 'link', 'add', 'uplink', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', client)
    for (const [name, device, address] of [
      [machine, 'uplink', '10.98.0.1/24'],
      [client, 'eth0', '10.98.0.2/24'],
    ] as const) {
      await ip('-n', name, 'address', 'add', address, 'dev', device)
      await ip('-n', name, 'link', 'set', device, 'up')
    }
    await ip('-n', client, 'route', 'add', '10.99.0.0/24', 'via', '10.98.0.1')
    return world
  } catch (error) {
    await world[Symbol.asyncDispose]()
    throw error
  }
}

async function succeed(baton: Baton, ...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await baton.run(...args)
  expect(code, `baton ${args.join(' ')}\n${stdout}${stderr}`).toBe(0)
  return stdout
}

const greetings = ['hello from web-1', 'hello from web-2', 'hello from web-3']

describe('examples/hello-ebpf.yaml with real guests', () => {
  test('comes up, answers from each guest in turn, survives a killed guest, and leaves nothing behind', async () => {
    await using world = await openWorld()
    const { baton } = world
    const ask = (): Promise<string> => world.ask()
    const file = join(baton.directory, 'hello.yaml')
    writeFileSync(file, example)

    expect(await succeed(baton, 'up', file)).toContain(`http://${service}`)
    expect([await ask(), await ask(), await ask()].toSorted()).toEqual(greetings)
    expect(await world.traces()).toContain('br-hello')
    await succeed(baton, 'plan', file)
    expect(await succeed(baton, 'up', file)).toContain('nothing to do')

    process.kill(Number(readFileSync(join(baton.directory, 'run/guests/web-2/pid'), 'utf8')), 'SIGKILL')
    const health = async (): Promise<string> => await succeed(baton, 'status')
    await expect.poll(health, { timeout: 10_000 }).toMatch(/web-2 +unhealthy +0 /u)
    for (let request = 0; request < 20; request += 1) expect(await ask()).toMatch(/^hello from web-[13]$/u)

    await succeed(baton, 'up', file)
    await expect.poll(ask, { timeout: 10_000 }).toBe('hello from web-2')

    await succeed(baton, 'down', file)
    expect(baton.leftovers()).toEqual(['hello.yaml'])
    expect(baton.processes()).toEqual([])
    expect(await world.traces()).toEqual(['lo', 'uplink'])
  })

  test('a bridge of that name that Baton has not made is left as it is', async () => {
    await using world = await openWorld()
    const { baton } = world
    const file = join(baton.directory, 'hello.yaml')
    writeFileSync(file, example.replace('br-hello', 'uplink'))
    const { code, stderr, stdout } = await baton.run('up', file)
    expect(code).not.toBe(0)
    expect(stdout + stderr).toContain(
      'make the bridge uplink: there is an interface of this name that Baton has not made',
    )
    await succeed(baton, 'down', file)
    expect(await world.traces()).toEqual(['lo', 'uplink'])
  })

  test('without root it is refused before anything is begun, with what to do', async () => {
    await using baton = openBaton(['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups'])
    const file = join(import.meta.dirname, '../../examples/hello-ebpf.yaml')
    const places = ['RUNTIME', 'STATE', 'CACHE'].map((place) => `BATON_${place}_DIR`)
    for (const place of places) baton.environment[place] = `/tmp/baton-nobody-${process.pid}`
    const { code, stderr } = await baton.run('check', file)
    expect(code).not.toBe(0)
    expect(stderr).toMatch(/hello-ebpf\.yaml:\d+:\d+: .*the ebpf engine needs root/u)
    expect(stderr).toContain('say engine: userspace')
    expect(stderr).toMatch(/a bridge needs root/u)
  })
})
