/** Questions answered per second, against dnsmasq (one thread of C) in the same rounds; and what one costs in our thread. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import {
  buildQuery,
  buildResponder,
  buildServer,
  buildZone,
  freePort,
} from '../../src/engines/dns/dns-world.contract.ts'
import { serveUdp } from '../../src/engines/dns/serve.ts'
import type { SchedulerName } from '../../src/lvs/service.ts'

const execute = promisify(execFile)
const rounds = 5
const seconds = 2

type Contender = { readonly name: string; readonly port: number; readonly child: ChildProcess }
type Figures = { readonly perSecond: number; readonly cpuUs: number; readonly lost: number }

const directory = mkdtempSync(join(tmpdir(), 'baton-bench-dns-'))
const loads = { udp: ['-m', 'udp', '-c', '8'], tcp: ['-m', 'tcp', '-c', '8'] } as const

function start(name: string, port: number, command: string, args: readonly string[]): Contender {
  return { name, port, child: spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] }) }
}

async function startBaton(name: string, port: number, servers: number, scheduler: SchedulerName): Promise<Contender> {
  const program = join(import.meta.dirname, '../../labs/dns/responder.ts')
  const own = ['--import', import.meta.resolve('tsx'), program, '127.0.0.1', String(port), String(servers), scheduler]
  const contender = start(name, port, process.execPath, own)
  if (contender.child.stdout !== null) await once(contender.child.stdout, 'data')
  return contender
}

async function startDnsmasq(port: number): Promise<Contender> {
  const options = ['--keep-in-foreground', '--conf-file=/dev/null', '--no-hosts', '--no-resolv', '--bind-interfaces']
  const place = [
    '--listen-address=127.0.0.1',
    `--port=${port}`,
    '--pid-file=',
    `--user=${process.env['USER'] ?? 'root'}`,
  ]
  const names = ['10.0.0.0', '10.0.0.1'].map((address) => `--address=/www.shop/${address}`)
  const contender = start('dnsmasq', port, 'dnsmasq', [...options, ...place, ...names, '--local-ttl=5'])
  await pause(500)
  return contender
}

/** User and system time of a process, in seconds. */
function cpuSeconds({ child }: Contender): number {
  const fields = readFileSync(`/proc/${child.pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) / 100
}

async function measure(contender: Contender, load: keyof typeof loads): Promise<Figures> {
  const before = cpuSeconds(contender)
  const args = [
    '-s',
    '127.0.0.1',
    '-p',
    String(contender.port),
    '-d',
    join(directory, 'questions'),
    '-l',
    String(seconds),
  ]
  const { stdout } = await execute('dnsperf', [...args, '-e', ...loads[load]], { timeout: 60_000 })
  const done = Number(/Queries completed:\s+(\d+)/.exec(stdout)?.[1])
  const lost = Number(/Queries lost:\s+(\d+)/.exec(stdout)?.[1])
  const perSecond = Number(/Queries per second:\s+([\d.]+)/.exec(stdout)?.[1])
  return { perSecond, cpuUs: ((cpuSeconds(contender) - before) / done) * 1e6, lost }
}

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN

async function overTheNetwork(): Promise<void> {
  writeFileSync(join(directory, 'questions'), 'www.shop A\n')
  const contenders = [
    await startDnsmasq(await freePort()),
    await startBaton('baton, rr, 2 servers', await freePort(), 2, 'rr'),
    await startBaton('baton, wlc, 32 servers', await freePort(), 32, 'wlc'),
  ]
  try {
    for (const load of ['udp', 'tcp'] as const) {
      const all = new Map<Contender, Figures[]>(contenders.map((contender) => [contender, []]))
      for (let round = 0; round < rounds; round++)
        for (const [contender, figures] of all) figures.push(await measure(contender, load))
      const [peer = []] = all.values()
      console.log(`dns: ${load}, dnsperf with 8 clients, ${rounds} alternating rounds of ${seconds} s, medians`)
      for (const [{ name }, figures] of all) {
        const of = (pick: (figure: Figures) => number): string => {
          const ratios = figures.map((figure, at) => pick(figure) / pick(peer[at] ?? figure))
          return `${median(figures.map(pick)).toFixed(1).padStart(9)} (${median(ratios).toFixed(2)})`
        }
        const lost = figures.reduce((sum, figure) => sum + figure.lost, 0)
        console.log(
          `  ${name.padEnd(24)} ${of(({ perSecond }) => perSecond)} /s  ${of(({ cpuUs }) => cpuUs)} µs CPU each  ${lost} lost`,
        )
      }
    }
  } finally {
    for (const { child } of contenders) child.kill('SIGKILL')
    rmSync(directory, { recursive: true })
  }
}

/** Without sockets: what a question keeps our thread from doing other things. */
function inTheThread(): void {
  console.log('dns: one question, without sockets, median of 9 batches of 20,000')
  const client = { address: '127.0.0.1', port: 40_000 }
  for (const [servers, scheduler] of [
    [2, 'rr'],
    [32, 'rr'],
    [1000, 'rr'],
    [1000, 'wlc'],
    [1000, 'sh'],
    [10_000, 'wlc'],
  ] as const) {
    const list = Array.from({ length: servers }, (_, at) =>
      buildServer(`10.${at >> 16}.${(at >> 8) & 255}.${at & 255}`),
    )
    const responder = buildResponder([buildZone('www.shop', list, { scheduler })])
    const query = buildQuery({ name: 'www.shop', edns: { payload: 1232 } })
    const batches = Array.from({ length: 9 }, () => {
      // Processor time: what others do on this machine does not count.
      const begun = process.cpuUsage()
      for (let count = 0; count < 20_000; count++) serveUdp(responder, query, client, performance.now())
      const { user, system } = process.cpuUsage(begun)
      return (user + system) / 20_000
    })
    console.log(
      `  ${String(servers).padStart(6)} servers, ${scheduler.padEnd(4)} ${median(batches).toFixed(1).padStart(7)} µs`,
    )
  }
}

inTheThread()
await overTheNetwork()
