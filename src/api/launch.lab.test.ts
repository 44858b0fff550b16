/** The director as the processes that it is: launched, killed, launched twice, ended. Needs the built program. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer, request, type Server } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { buildCheck, buildServer, buildService, buildWanted } from '../../test/build/services.ts'
import type { DirectorControl, WantedService } from '../director/control.ts'
import type { Host } from '../hosts/host.ts'
import { localHost } from '../hosts/local/local.ts'
import type { TableEdit } from '../lvs/edit.ts'
import { directorClient } from './client.ts'
import { launchDirector, stopDirector } from './launch.ts'

const baton = join(import.meta.dirname, '../../bin/baton')
const program = [process.execPath, baton]
const within = (ms = 60_000): { signal: AbortSignal } => ({ signal: AbortSignal.timeout(ms) })

type World = AsyncDisposable & {
  readonly directory: string
  readonly host: Host
  readonly control: DirectorControl
  /** Process ids of everything that carries these directories in its environment. */
  processes(): number[]
  files(): string[]
}

function openWorld(): World {
  const directory = mkdtempSync(join(tmpdir(), 'bl-'))
  const directories = {
    runtime: join(directory, 'run'),
    state: join(directory, 'state'),
    cache: join(directory, 'cache'),
  }
  const host = localHost({ directories })
  const processes = (): number[] =>
    readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
      .filter((pid) => readQuietly(`/proc/${pid}/environ`).includes(directory))
      .map(Number)
  return {
    directory,
    host,
    control: directorClient(host),
    processes,
    files: () =>
      readdirSync(directory, { recursive: true, withFileTypes: true })
        .filter((entry) => !entry.isDirectory())
        .map(({ name }) => name)
        .sort(),
    async [Symbol.asyncDispose]() {
      for (const pid of processes()) await host.signal(pid, 'SIGKILL', within())
      await expect.poll(processes).toEqual([])
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

function readQuietly(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return '' // the process has ended meanwhile
  }
}

async function startBackend(name: string): Promise<{ readonly port: number } & AsyncDisposable> {
  const server: Server = createServer((_request, response) => response.end(name))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

async function freePort(): Promise<number> {
  await using backend = await startBackend('for a moment')
  return backend.port
}

/** On a connection of its own: a kept one would always come to the same server. */
function ask(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const call = request({ port, host: '127.0.0.1', agent: false, timeout: 2000 }, (response) => {
      let text = ''
      response.on('data', (chunk: Buffer) => (text += chunk.toString())).once('end', () => resolve(text))
    })
    call.once('timeout', () => call.destroy(new Error('no answer')))
    call.once('error', reject).end()
  })
}

const www = (port: number, changes: Partial<WantedService> = {}): WantedService =>
  buildWanted({
    service: buildService({ id: { kind: 'address', protocol: 'tcp', address: '127.0.0.1', port } }),
    checks: [buildCheck({ everyMs: 200, timeoutMs: 1000, rise: 1, fall: 2 })],
    ...changes,
  })

const launch = (world: World, engine: 'fake' | 'userspace' | 'auto' = 'fake', cluster?: string) =>
  launchDirector(world.host, { engine, program }, within(), cluster)

/** `baton director …` in the foreground. */
function foreground(
  world: World,
  ...args: string[]
): { child: ChildProcess; text: () => string; ended: Promise<number | null> } {
  const { runtime, state, cache } = world.host.directories
  const env = { ...process.env, BATON_RUNTIME_DIR: runtime, BATON_STATE_DIR: state, BATON_CACHE_DIR: cache }
  const child = spawn(process.execPath, [baton, 'director', ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  let text = ''
  child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (text += chunk.toString()))
  return { child, text: () => text, ended: new Promise((resolve) => child.once('close', resolve)) }
}

describe('a launched director', () => {
  test('two launches at once start one, and its end leaves nothing behind', async () => {
    await using world = openWorld()
    const [first, second] = await Promise.all([launch(world), launch(world)])
    expect((await first.status(within())).pid).toBe((await second.status(within())).pid)
    expect(world.processes()).toHaveLength(2)
    await first.putCluster({ cluster: 'shop', services: [buildWanted()] }, within())
    const lines = readFileSync(join(world.directory, 'state/director/director.log'), 'utf8').trim().split('\n')
    expect(lines.map((line) => (JSON.parse(line) as { component: string }).component)).toContain('director')
    await first.removeCluster('shop', within())
    await stopDirector(world.host, within())
    expect(world.processes()).toEqual([])
    expect(world.files()).toEqual([])
  })

  test('what a launch that was killed leaves behind goes with the director', async () => {
    await using world = openWorld()
    const { runtime } = world.host.directories
    await launch(world)
    await world.host.writeFile(join(runtime, 'director.launch'), '', within())
    await stopDirector(world.host, within())
    await world.host.writeFile(join(runtime, 'director.launch'), '', within())
    await stopDirector(world.host, within())
    expect(world.files()).toEqual([])
  })

  test('a log that has grown long is put aside at the next start', async () => {
    await using world = openWorld()
    const log = join(world.directory, 'state/director/director.log')
    mkdirSync(dirname(log), { recursive: true })
    writeFileSync(log, 'x'.repeat(11 * 1024 * 1024))
    await launch(world)
    expect(statSync(log).size).toBeLessThan(100_000)
    expect(statSync(`${log}.1`).size).toBe(11 * 1024 * 1024)
  })

  test('a director that is only stopped keeps what is wanted, and the next one takes it up', async () => {
    await using world = openWorld()
    const control = await launch(world)
    await control.putCluster({ cluster: 'shop', services: [buildWanted()] }, within())
    await stopDirector(world.host, within())
    await stopDirector(world.host, within())
    expect(world.files()).toEqual(['director.log', 'intent.json'])
    expect((await (await launch(world, 'auto')).status(within())).engine).toBe('fake')
    expect((await world.control.status(within())).services).toMatchObject([{ name: 'www', cluster: 'shop' }])
  })

  test('killed, it is back with the same services, weights and drains, and says so', async () => {
    await using world = openWorld()
    await using one = await startBackend('one')
    await using two = await startBackend('two')
    const port = await freePort()
    const control = await launch(world, 'userspace')
    const servers = [buildServer(one.port, { guest: 'web-1' }), buildServer(two.port)]
    await control.putCluster({ cluster: 'shop', services: [www(port, { servers })] }, within())
    await expect.poll(() => ask(port).catch(String), { timeout: 20_000 }).toBe('one')
    await control.drain({ guest: 'web-1' }, within())
    for (const restarts of [1, 2]) {
      const { pid } = await control.status(within())
      const begun = performance.now()
      await world.host.signal(pid, 'SIGKILL', within())
      await expect.poll(() => ask(port).catch(String), { timeout: 30_000, interval: 10 }).toBe('two')
      console.log(`served again ${Math.round(performance.now() - begun)} ms after the director was killed`)
      for (let request = 0; request < 10; request += 1) expect(await ask(port)).toBe('two')
      const status = await control.status(within())
      expect(status.restarts).toBe(restarts)
      expect(status.services[0]?.servers).toMatchObject([
        { drained: true, weight: 0 },
        { health: 'healthy', weight: 1 },
      ])
    }
  })

  test('what was made by hand outlives a kill, and ends with an orderly end', async () => {
    await using world = openWorld()
    const control = await launch(world)
    const id = { kind: 'fwmark', mark: 5, family: 'ipv4' } as const
    const edits: TableEdit[] = [
      { kind: 'service.add', service: buildService({ id }) },
      { kind: 'server.add', id, server: buildServer(1001) },
      { kind: 'server.add', id, server: buildServer(1002) },
      { kind: 'timeouts', timeouts: { udp: 17 } },
    ]
    await control.edit(edits, within())
    const before = await control.table(within())
    const { pid } = await control.status(within())
    await world.host.signal(pid, 'SIGKILL', within())
    await expect.poll(async () => (await control.status(within())).restarts).toBe(1)
    expect(await control.table(within())).toEqual(before)
    expect(world.files()).toContain('director.edits')
    await stopDirector(world.host, within())
    expect(world.files()).toEqual([])
    expect((await (await launch(world)).table(within())).services).toEqual([])
  })

  test('killed together with its supervisor, it leaves files that stand in nobody’s way', async () => {
    await using world = openWorld()
    const control = await launch(world)
    await control.putCluster({ cluster: 'shop', services: [buildWanted()] }, within())
    for (const pid of world.processes()) await world.host.signal(pid, 'SIGKILL', within())
    await expect.poll(() => world.processes()).toEqual([])
    expect(existsSync(join(world.directory, 'run/director.sock'))).toBe(true)
    // In the moment of its death the kernel may still end a connection that has just been made.
    const answer = (): Promise<unknown> =>
      control.status(within()).then(
        () => 'answered',
        (error: { code: string }) => error.code,
      )
    await expect.poll(answer, { timeout: 5_000 }).toBe('not-found')
    await launch(world)
    expect((await control.status(within())).services).toHaveLength(1)
  })

  test('another engine is started in its place, unless others need the one that runs', async () => {
    await using world = openWorld()
    const control = await launch(world, 'fake')
    await control.putCluster(
      {
        cluster: 'shop',
        services: [
          buildWanted({
            service: buildService({
              id: { kind: 'address', protocol: 'tcp', address: '127.0.0.1', port: await freePort() },
            }),
          }),
        ],
      },
      within(),
    )
    await expect(launch(world, 'userspace', 'blog')).rejects.toMatchObject({
      code: 'busy',
      message: 'the director runs the fake engine for shop',
    })
    await launch(world, 'userspace', 'shop')
    expect(await control.status(within())).toMatchObject({ engine: 'userspace', clusters: [{ cluster: 'shop' }] })
  })

  test('one that cannot start is an error with its own last word', async () => {
    await using world = openWorld()
    const broken = [process.execPath, '-e', 'console.log(JSON.stringify({msg:"no engine today"}));process.exit(78)']
    await expect(launchDirector(world.host, { engine: 'fake', program: broken }, within())).rejects.toMatchObject({
      code: 'failed',
      message: 'the director did not start: no engine today',
    })
  })
})

describe('a director in the foreground', () => {
  const spec = (port: number, backends: readonly number[], scheduler = 'rr'): string =>
    [
      'name: hand',
      'services:',
      '  www:',
      `    address: 127.0.0.1:${port}`,
      `    scheduler: ${scheduler}`,
      '    servers:',
      ...backends.map((backend) => `      - { address: 127.0.0.1:${backend} }`),
    ].join('\n')

  test('serves a file, takes a changed one at SIGHUP without dropping a connection, and no broken one', async () => {
    await using world = openWorld()
    await using one = await startBackend('one')
    await using two = await startBackend('two')
    const port = await freePort()
    const file = join(world.directory, 'hand.yaml')
    writeFileSync(file, spec(port, [one.port]))
    const director = foreground(world, '--config', file)
    await expect.poll(() => ask(port).catch(String), { timeout: 30_000 }).toBe('one')
    const held = await holdConnection(port)
    writeFileSync(file, spec(port, [two.port], 'wrr'))
    director.child.kill('SIGHUP')
    await expect.poll(() => ask(port).catch(String), { timeout: 30_000 }).toBe('two')
    expect(await held.ask()).toContain('one')
    writeFileSync(file, 'name: hand\nservices:\n  www:\n    adress: 127.0.0.1:1\n    scheduler: wlcc\n')
    director.child.kill('SIGHUP')
    await expect.poll(director.text, { timeout: 30_000 }).toContain('nothing changed')
    expect(director.text()).toMatch(/hand\.yaml:4:5: .*adress/)
    expect(director.text()).toMatch(/hand\.yaml:5:16: .*wlcc/)
    expect(await ask(port)).toBe('two')
    expect(await held.ask()).toContain('one')
    held.socket.destroy()
    director.child.kill('SIGTERM')
    expect(await director.ended).toBe(0)
  })

  test('serves an ldirectord.cf, and goes on with what it had when a changed one is wrong', async () => {
    await using world = openWorld()
    await using one = await startBackend('one')
    const port = await freePort()
    const file = join(world.directory, 'ldirectord.cf')
    writeFileSync(file, `virtual=127.0.0.1:${port}\n\treal=127.0.0.1:${one.port} masq\n\tchecktype=connect\n`)
    const director = foreground(world, '--config', file)
    await expect.poll(() => ask(port).catch(String), { timeout: 30_000 }).toBe('one')
    writeFileSync(file, 'fork=maybe\nvirtual=127.0.0.1:1\n\tchecktype=often\n')
    director.child.kill('SIGHUP')
    await expect.poll(director.text, { timeout: 30_000 }).toContain('nothing changed')
    expect(director.text()).toMatch(/ldirectord\.cf:1:1: fork must be/)
    expect(director.text()).toMatch(/ldirectord\.cf:3:1: checktype must be/)
    expect(await ask(port)).toBe('one')
    director.child.kill('SIGTERM')
    expect(await director.ended).toBe(0)
  })

  test('a second one on the same directories refuses, in words for people', async () => {
    await using world = openWorld()
    await launch(world)
    const second = foreground(world, '--engine', 'fake')
    expect(await second.ended).toBe(1)
    expect(second.text()).toMatch(/^baton: a director already runs on .*run$/m)
    expect(second.text()).toMatch(/^hint: see baton status/m)
    expect((await world.control.status(within())).engine).toBe('fake')
  })

  test('a file with errors is said line by line, and nothing is started', async () => {
    await using world = openWorld()
    const file = join(world.directory, 'bad.yaml')
    writeFileSync(file, 'name: hand\nservices: { www: { address: nowhere, servers: [] } }\n')
    const director = foreground(world, '--engine', 'fake', '--config', file)
    expect(await director.ended).toBe(1)
    expect(director.text()).toMatch(/bad\.yaml:2:\d+: /)
    expect(world.files()).toEqual(['bad.yaml'])
  })
})

/** A client that keeps its one connection, and asks on it again and again. */
async function holdConnection(port: number): Promise<{ readonly socket: Socket; ask(): Promise<string> }> {
  const socket = connect(port, '127.0.0.1')
  await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject))
  const held = {
    socket,
    ask: () =>
      new Promise<string>((resolve, reject) => {
        socket.once('data', (chunk: Buffer) => resolve(chunk.toString())).once('error', reject)
        socket.once('close', () => reject(new Error('the connection was dropped')))
        socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
      }),
  }
  await held.ask()
  return held
}
