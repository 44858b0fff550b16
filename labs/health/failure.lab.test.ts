/** What clients notice when a server fails, a file is read again under load, or the director dies: as little as is promised. */
import { type ChildProcess, execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { createServer, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { directorClient } from '../../src/api/client.ts'
import { localHost } from '../../src/hosts/local/local.ts'
import { type Baton, freePort, openBaton } from '../hello/baton.ts'
import { eventually, sleep } from '../net/loopback.ts'

const run = promisify(execFile)

/** `sick`: every answer is 500. `silent`: connections are taken, and nothing is said. */
type Mood = 'well' | 'sick' | 'silent'
type RealServer = AsyncDisposable & { readonly port: number; mood: Mood; answered: number }

async function openServer(): Promise<RealServer> {
  const self = { mood: 'well' as Mood, answered: 0 }
  const answer = (response: ServerResponse): void => {
    if (self.mood === 'silent') return
    self.answered += 1
    response.writeHead(self.mood === 'well' ? 200 : 500).end('x')
  }
  const server = createServer((_request, response) => answer(response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', 1024, resolve))
  return Object.assign(self, {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  })
}

/** The status of one request on a connection of its own; 0 when there was no answer. */
function ask(port: number): Promise<number> {
  return new Promise((resolve) => {
    const call = request({ port, host: '127.0.0.1', agent: false, timeout: 3000 }, (response) => {
      response.resume().once('end', () => resolve(response.statusCode ?? 0))
    })
    call.once('timeout', () => call.destroy(new Error('no answer')))
    call.once('error', () => resolve(0)).end()
  })
}

async function askMany(port: number, times: number): Promise<Map<number, number>> {
  const heard = new Map<number, number>()
  for (let done = 0; done < times; done += 20)
    for (const status of await Promise.all(Array.from({ length: 20 }, () => ask(port))))
      heard.set(status, (heard.get(status) ?? 0) + 1)
  return heard
}

const everyMs = 500
const timeoutMs = 300
const fall = 3
/** What the clocks of a busy machine are off by; the timeouts of `fall` probes in a row are more. */
const slackMs = 250

type Line = { readonly port: number; readonly weight?: number }

const fileOf = (port: number, servers: readonly Line[]): string => `name: shop
services:
  www:
    address: "127.0.0.1:${port}"
    scheduler: wrr
    servers:
${servers.map(({ port, weight = 1 }) => `      - { address: "127.0.0.1:${port}", weight: ${weight} }`).join('\n')}
    check: { http: /, every: ${everyMs}ms, timeout: ${timeoutMs}ms, rise: 1, fall: ${fall} }
`

type Served = {
  readonly port: number
  readonly file: string
  readonly child: ChildProcess
  readonly ended: Promise<unknown>
}

async function serve(baton: Baton, servers: readonly Line[], ...options: readonly string[]): Promise<Served> {
  const port = await freePort()
  const file = join(baton.directory, 'baton.yaml')
  await writeFile(file, fileOf(port, servers))
  let ended: Promise<unknown> = Promise.resolve()
  const child = await new Promise<ChildProcess>((resolve, reject) => {
    const all = baton.start(['director', '--config', file, ...options], (_, one) => resolve(one))
    ended = all
    all.then(({ stderr }) => reject(new Error(`the director ended: ${stderr}`)), reject)
  })
  await eventually('it is served', async () => (await ask(port)) === 200)
  return { port, file, child, ended }
}

function directoriesOf({ directory }: Baton): { runtime: string; state: string; cache: string } {
  return { runtime: join(directory, 'run'), state: join(directory, 'state'), cache: join(directory, 'cache') }
}

async function stop({ child, ended }: Served): Promise<void> {
  child.kill('SIGTERM')
  await ended
}

test.each<Mood>(['sick', 'silent'])(
  'a server that is %s is out after fall × every + timeout, and then none of 1,000 requests fails',
  async (mood) => {
    await using baton = openBaton()
    await using first = await openServer()
    await using second = await openServer()
    const served = await serve(baton, [first, second])
    await eventually('both are used', async () => {
      await ask(served.port)
      return first.answered > 3 && second.answered > 3
    })
    first.mood = mood
    await sleep(fall * everyMs + timeoutMs + slackMs)
    expect(await askMany(served.port, 1000)).toEqual(new Map([[200, 1000]]))

    first.mood = 'well'
    const before = first.answered
    await eventually('it is back', async () => (await askMany(served.port, 20)) && first.answered > before + 20)
    await stop(served)
  },
)

test('a file with one server changed is read again under load, and no request fails', async () => {
  await using baton = openBaton()
  await using first = await openServer()
  await using second = await openServer()
  await using third = await openServer()
  const served = await serve(baton, [first, second])
  const load = run('wrk', ['-t1', '-c50', '-d6s', '--timeout', '3s', `http://127.0.0.1:${served.port}/`])
  await sleep(1500)
  await writeFile(served.file, fileOf(served.port, [{ port: first.port, weight: 3 }, second]))
  served.child.kill('SIGHUP')
  await sleep(1500)
  await writeFile(served.file, fileOf(served.port, [{ port: first.port, weight: 3 }, third]))
  served.child.kill('SIGHUP')
  const { stdout } = await load
  expect(stdout).toMatch(/Requests\/sec: +\d/u)
  expect(stdout).not.toMatch(/Non-2xx|Socket errors/u)
  await askMany(served.port, 40)
  expect(third.answered).toBeGreaterThan(5)
  await stop(served)
})

test('a director that is killed under load serves new connections again, with no help', async () => {
  await using baton = openBaton()
  await using first = await openServer()
  await using second = await openServer()
  const served = await serve(baton, [first, second], '--supervise')
  const load = run('wrk', ['-t1', '-c50', '-d5s', '--timeout', '3s', `http://127.0.0.1:${served.port}/`])
  await sleep(1000)
  const { pid } = await directorClient(localHost({ directories: directoriesOf(baton) })).status({
    signal: AbortSignal.timeout(5_000),
  })
  process.kill(pid, 'SIGKILL')
  const killedAt = performance.now()
  await eventually('it serves again', async () => (await ask(served.port)) === 200)
  console.log(`new connections are served ${Math.round(performance.now() - killedAt)} ms after the kill`)
  await load
  expect(await askMany(served.port, 200)).toEqual(new Map([[200, 200]]))
  await stop(served)
})
