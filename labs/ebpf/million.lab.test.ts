/**
 * A director that runs, with as many connections as it has room for: all are listed, once each, in memory that does not grow
 * with them, and nobody else waits for it. It is a fifth of them, unless BATON_LAB_CONNECTIONS=1000000 asks for all.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventLoopDelay } from '../net/event-loop.ts'
import { eventually } from '../net/loopback.ts'
import { clientNumber, clientsNetwork } from './crowd-numbers.ts'
import { type Lab, openLab, port } from './lab.ts'
import { addresses } from './topology.ts'

const count = Number(process.env['BATON_LAB_CONNECTIONS'] ?? 200_000)
const few = 2_000
/** Else Node collects when it likes, which is late on a quick machine. */
const smallHeap = { NODE_OPTIONS: '--max-old-space-size=64' }
/** What is left to be collected then, beside a batch. */
const boundBytes = 96 * 2 ** 20
const sampleMs = 50
const patienceMs = 300_000

const { vip, server } = addresses.ipv4
const program = join(import.meta.dirname, '../../bin/baton')
let lab: Lab
let daemon = 0

beforeAll(async () => {
  Object.assign(process.env, smallHeap)
  lab = await openLab('masq')
  const { topology, baton } = lab
  await topology.run('client', 'ip', 'route', 'add', 'local', clientsNetwork, 'dev', 'lo')
  await topology.run('director', 'ip', 'route', 'add', clientsNetwork, 'via', '10.0.0.2')
  await lab.ipvsadm('-A', '-u', `${vip}:${port}`, '-s', 'rr')
  for (const own of [port, port + 1]) {
    // Stops reading when the pipe is full: what matters comes before it.
    const full = `PIPE:${join(baton.directory, String(own))}`
    topology.start('server', process.env, 'socat', '-u', `UDP4-RECV:${own},rcvbuf=1`, full)
    await lab.ipvsadm('-a', '-u', `${vip}:${port}`, '-r', `${server}:${own}`, '-m')
  }
  const supervisor = Number(readFileSync(runtimeFile('director.pid'), 'utf8'))
  daemon = Number(readFileSync(`/proc/${supervisor}/task/${supervisor}/children`, 'utf8'))
})
afterAll(() => lab[Symbol.asyncDispose]())

const runtimeFile = (name: string): string => join(lab.baton.environment['BATON_RUNTIME_DIR'] ?? '', name)

/** One datagram of each. */
async function crowd(clients: number): Promise<void> {
  const file = join(import.meta.dirname, 'crowd.ts')
  const words = ['--import', import.meta.resolve('tsx'), file, vip, String(port), String(clients)]
  const [code] = await once(lab.topology.start('client', process.env, process.execPath, ...words), 'exit')
  expect(code).toBe(0)
}

/** What servers count: connections that are active, that are not, and that there ever were. */
async function counts(): Promise<number[][]> {
  const cells = async (...words: string[]): Promise<string[][]> =>
    (await lab.ipvsadm(...words)).split('\n').flatMap((line) => (line.includes(server) ? [line.split(/\s+/u)] : []))
  const ever = await cells('-Ln', '--stats', '--exact')
  return (await cells('-Ln')).map((line, at) => [Number(line[5]), Number(line[6]), Number(ever[at]?.[3])])
}

async function comeAll(clients: number): Promise<void> {
  await crowd(clients)
  // A packet that a full queue has dropped is sent again, with the others, whose connections stand.
  await eventually(
    `${clients} connections stand`,
    async () => {
      const standing = (await counts()).reduce((sum, [, inactive = 0]) => sum + inactive, 0)
      if (standing < clients) await crowd(clients)
      return standing === clients
    },
    patienceMs,
  )
}

/** Bytes of a process's own, without what it shares with the kernel: the program's maps. */
function ownBytes(pid: number | undefined): number {
  try {
    return Number(/^RssAnon:\s+(\d+)/mu.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024
  } catch {
    return 0 // it has ended
  }
}

type Listing = { readonly seen: Uint8Array; readonly others: string[]; readonly most: readonly [number, number] }

/** Runs it and reads line by line; `clientOf` says whose connection a line is. */
async function list(words: readonly string[], clientOf: (line: string) => string | undefined): Promise<Listing> {
  const child: ChildProcess = spawn(process.execPath, [program, ...words], { env: lab.baton.environment })
  const ended = once(child, 'exit')
  const seen = new Uint8Array(count)
  const others: string[] = []
  let most: readonly [number, number] = [0, 0]
  const sampling = setInterval(() => {
    most = [Math.max(most[0], ownBytes(daemon)), Math.max(most[1], ownBytes(child.pid))]
  }, sampleMs)
  try {
    if (child.stdout === null || child.stderr === null) throw new Error('no pipes')
    const complaint = text(child.stderr)
    for await (const line of createInterface({ input: child.stdout })) {
      const client = clientOf(line)
      if (client === undefined) others.push(line)
      else seen[clientNumber(client)] = (seen[clientNumber(client)] ?? 0) + 1
    }
    expect([(await ended)[0], await complaint]).toEqual([0, ''])
  } finally {
    clearInterval(sampling)
    child.kill('SIGKILL')
  }
  return { seen, others, most }
}

const byIpvsadm = (): Promise<Listing> =>
  list(['ipvsadm', '-Lnc'], (line) => /^UDP +\d\d:\d\d +UDP +(\S+) /u.exec(line)?.[1])
const byBaton = (): Promise<Listing> =>
  list(['connections', '--json'], (line) => {
    const { address, port: own } = (JSON.parse(line) as { readonly client: { address: string; port: number } }).client
    return `${address}:${own}`
  })

test('very many connections come, are counted and listed, and go', async () => {
  await comeAll(few)
  const [small] = [await byIpvsadm(), await byBaton()]
  const begun = performance.now()
  await comeAll(count)
  const half = count / 2
  expect(await counts()).toEqual([
    [0, half, half],
    [0, half, half],
  ])
  const told: unknown[] = [`${count} connections came in ${Math.round(performance.now() - begun)} ms`]
  await eventLoopDelay(runtimeFile('director.sock'))
  for (const [name, listing] of Object.entries({ 'ipvsadm -Lnc': byIpvsadm, 'connections --json': byBaton })) {
    const asked = performance.now()
    const { seen, others, most } = await listing()
    const megabytes = [...most, ...small.most].map((bytes) => Math.round(bytes / 2 ** 20))
    told.push(
      `${name}: ${Math.round(performance.now() - asked)} ms; MiB of daemon, client; of both with ${few}: ${megabytes.join(', ')}`,
      await eventLoopDelay(runtimeFile('director.sock')),
    )
    expect(seen.every((times) => times === 1)).toBe(true)
    expect(others.length).toBe(name.startsWith('ipvsadm') ? 2 : 0)
    for (const [at, bytes] of most.entries()) expect(bytes - (small.most[at] ?? 0), name).toBeLessThan(boundBytes)
  }
  await lab.ipvsadm('--set', '0', '0', '1')
  await crowd(count)
  await eventually('all have gone', async () => (await counts()).every(([, inactive]) => inactive === 0), patienceMs)
  told.push('their end:', await eventLoopDelay(runtimeFile('director.sock')))
  expect((await byIpvsadm()).seen.every((times) => times === 0)).toBe(true)
  console.log(told)
}, 900_000)
