/** One measurement of one contender: wrk and iperf3 in the client's namespace. */
import { setTimeout as pause } from 'node:timers/promises'
import type { Contender, World } from './world.ts'

export type Figures = { readonly [name: string]: number }
export type Load = 'connect' | 'request' | 'bulk' | 'bulk-back'

export async function measure(world: World, contender: Contender, load: Load, seconds: number): Promise<Figures> {
  const before = await contender.cpuSeconds()
  const figures = load.startsWith('bulk')
    ? await bulk(world, contender, seconds, load === 'bulk-back')
    : await http(world, contender, load === 'connect', seconds)
  const after = await contender.cpuSeconds()
  if (before === undefined || after === undefined) return figures
  const cpu = after - before
  if (load === 'connect') return { ...figures, 'connect cpu µs': (cpu / (figures['connect/s'] ?? 1) / seconds) * 1e6 }
  if (load === 'request') return { ...figures, 'request cpu µs': (cpu / (figures['request/s'] ?? 1) / seconds) * 1e6 }
  const key = load === 'bulk' ? 'bulk Gbit/s' : 'bulk back Gbit/s'
  return { ...figures, [`${load} cpu s/Gbit`]: cpu / ((figures[key] ?? 1) * seconds) }
}

async function http(
  world: World,
  { address, httpPort }: Contender,
  isFresh: boolean,
  seconds: number,
): Promise<Figures> {
  const close = isFresh ? ['-H', 'Connection: close'] : []
  const url = `http://${address}:${httpPort}/`
  const command = ['wrk', '-t', '1', '-c', '64', '-d', `${seconds}s`, '--latency', ...close, url]
  const text = await world.chain.run(0, command, (seconds + 20) * 1000)
  const rate = Number(/Requests\/sec:\s+([\d.]+)/u.exec(text)?.[1])
  const errors = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/u.exec(text)
  const failed = errors === null ? 0 : errors.slice(1).reduce((sum, part) => sum + Number(part), 0)
  const name = isFresh ? 'connect' : 'request'
  return {
    [`${name}/s`]: rate,
    [`${name} p99 ms`]: milliseconds(/99%\s+([\d.]+\w+)/u.exec(text)?.[1]),
    [`${name} errors`]: failed,
  }
}

/** wrk's own units: 12.34us, 1.20ms, 2.00s. */
function milliseconds(text = ''): number {
  const value = Number.parseFloat(text)
  if (text.endsWith('us')) return value / 1000
  return text.endsWith('ms') ? value : value * 1000
}

async function bulk(
  world: World,
  { address, bulkPort }: Contender,
  seconds: number,
  isBack: boolean,
): Promise<Figures> {
  const command = ['iperf3', '-c', address, '-p', String(bulkPort), '-t', String(seconds), '-P', '2', '--json']
  if (isBack) command.push('-R')
  // One retry: iperf3's server takes one client at a time and is sometimes still busy with the last.
  const run = (): Promise<string> => world.chain.run(0, command, (seconds + 20) * 1000)
  const report = JSON.parse(await run().catch(() => pause(500).then(run))) as {
    end: { sum_received: { bits_per_second: number } }
  }
  return { [isBack ? 'bulk back Gbit/s' : 'bulk Gbit/s']: report.end.sum_received.bits_per_second / 1e9 }
}
