/** What a director tells the outside, as the process that it is: events, webhooks, commands, metrics. Needs the built program. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parseExposition } from '../../test/build/prometheus.ts'
import { closedPort, listen, type Running } from '../../test/build/servers.ts'

const baton = join(import.meta.dirname, '../../bin/baton')
const patience = { timeout: 20_000 }

type World = AsyncDisposable & {
  readonly folder: string
  /** Runs a command to its end. */
  run(...args: readonly string[]): { readonly code: number | null; readonly stdout: string; readonly stderr: string }
  start(...args: readonly string[]): ChildProcess & { readonly said: () => string }
}

function openWorld(): World {
  const folder = mkdtempSync(join(tmpdir(), 'bo-'))
  const env = {
    ...process.env,
    BATON_RUNTIME_DIR: join(folder, 'run'),
    BATON_STATE_DIR: join(folder, 'state'),
    BATON_CACHE_DIR: join(folder, 'cache'),
  }
  const started: ChildProcess[] = []
  return {
    folder,
    run(...args) {
      const { status, stdout, stderr } = spawnSync(process.execPath, [baton, ...args], {
        env,
        encoding: 'utf8',
        timeout: 30_000,
      })
      return { code: status, stdout, stderr }
    },
    start(...args) {
      const child = spawn(process.execPath, [baton, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] })
      started.push(child)
      let said = ''
      for (const stream of [child.stdout, child.stderr])
        stream.on('data', (chunk: Buffer) => (said += chunk.toString()))
      return Object.assign(child, { said: () => said })
    },
    async [Symbol.asyncDispose]() {
      for (const child of started) await ended(child, 'SIGKILL')
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

async function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode
  const exit = new Promise<number | null>((resolve) => child.once('exit', resolve))
  child.kill(signal)
  return await exit
}

type Told = { readonly key: string | undefined; readonly body: { readonly event: { readonly kind: string } } }

/** Takes everything, but for the first time. */
async function receiver(): Promise<Running & { readonly told: readonly Told[]; readonly refused: () => number }> {
  const told: Told[] = []
  let refused = 0
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => (body += chunk.toString()))
    request.on('end', () => {
      if (refused === 0) {
        refused += 1
        response.writeHead(500).end()
        return
      }
      told.push({ key: request.headers['idempotency-key'] as string, body: JSON.parse(body) as Told['body'] })
      response.end()
    })
  })
  return { ...(await listen(server)), told, refused: () => refused }
}

describe('a director', () => {
  test('tells a webhook, a command, Prometheus and whoever listens what happens', async () => {
    await using world = openWorld()
    await using hook = await receiver()
    await using backend = await listen(createServer((_request, response) => response.end('ok')))
    const [port, metrics] = [await closedPort(), await closedPort()]
    const file = join(world.folder, 'shop.yaml')
    const log = join(world.folder, 'told')
    writeFileSync(
      file,
      [
        'name: shop',
        'services:',
        `  www: { address: "127.0.0.1:${port}", servers: [{ address: "127.0.0.1:${backend.port}" }], check: { http: /, every: 100ms, fall: 1 } }`,
        'directors:',
        `  metrics: 127.0.0.1:${metrics}`,
        '  notify:',
        `    - { webhook: "http://127.0.0.1:${hook.port}/x", headers: { X-Token: secret-token }, events: [service.state, cluster.put, cluster.removed] }`,
        `    - command: 'echo $$BATON_EVENT_KIND $$BATON_EVENT_TO >> ${log}'`,
      ].join('\n'),
    )
    const director = world.start('director', '--config', file)
    await expect
      .poll(() => hook.told.map(({ body }) => body.event.kind), patience)
      .toEqual(expect.arrayContaining(['service.state', 'cluster.put']))
    expect(hook.refused()).toBe(1)
    expect(new Set(hook.told.map(({ key }) => key)).size).toBe(hook.told.length)
    await expect.poll(() => readFileSync(log, 'utf8'), patience).toContain('service.state served')

    const text = await (await fetch(`http://127.0.0.1:${metrics}/metrics`)).text()
    const value = (name: string): number | undefined =>
      parseExposition(text).find((family) => family.name === name)?.samples[0]?.value
    expect([value('baton_server_up'), value('baton_build_info')]).toEqual([1, 1])
    expect(value('process_resident_memory_bytes')).toBeGreaterThan(1e7)

    const listener = world.start('events', '--json', '--cluster', 'shop')
    await expect.poll(listener.said, patience).toContain('"cluster.put"')
    const before = world.run('events', '--no-follow')
    expect(before).toMatchObject({ code: 0, stderr: '' })
    expect(before.stdout).toMatch(/^1 \S+Z /)
    await backend[Symbol.asyncDispose]()
    await expect.poll(listener.said, patience).toContain('"from":"served","to":"unserved"')
    await expect.poll(() => hook.told.length, patience).toBeGreaterThanOrEqual(3)
    const last = JSON.parse(listener.said().trimEnd().split('\n').at(-1) ?? '') as { id: number }
    expect(world.run('events', '--no-follow', '--since', String(last.id)).stdout).toBe('')

    expect(await ended(director, 'SIGTERM')).toBe(0)
    await expect.poll(() => listener.exitCode, patience).toBe(1)
    expect(listener.said()).toContain('the director ended')
    expect(director.said()).not.toContain('secret-token')
    await expect(fetch(`http://127.0.0.1:${metrics}/metrics`)).rejects.toThrow()
  })

  test('serves on while its metrics cannot be had, says so, and has them when the port is free', async () => {
    await using world = openWorld()
    const metrics = await closedPort()
    const holder = await listen(createServer())
    const file = join(world.folder, 'shop.yaml')
    writeFileSync(
      file,
      `name: shop\nservices: { www: { address: "127.0.0.1:${metrics}", servers: [{ address: "127.0.0.1:${holder.port}" }] } }\ndirectors: { metrics: "127.0.0.1:${holder.port}" }\n`,
    )
    world.start('director', '--config', file)
    const problems = (): string[] => {
      const { stdout } = world.run('status', '--json')
      return (JSON.parse(stdout) as { director: { problems: string[] } | null }).director?.problems ?? ['none runs']
    }
    await expect.poll(problems, patience).toEqual([expect.stringMatching(/^metrics at 127.0.0.1:\d+: .*EADDRINUSE/)])
    await holder[Symbol.asyncDispose]()
    await expect.poll(problems, patience).toEqual([])
    expect((await fetch(`http://127.0.0.1:${holder.port}/metrics`)).status).toBe(200)
  })

  test('who listens without one is told so', async () => {
    await using world = openWorld()
    const { code, stderr } = world.run('events')
    expect([code, stderr]).toEqual([1, expect.stringContaining('no director runs')])
  })
})
