/**
 * The eBPF engine (NAT, direct routing) against plain routing, nftables DNAT and HAProxy (mode tcp, two threads), in
 * alternating rounds: ratios to plain routing in the same round. `--rounds 5 --seconds 2 --ways routing,masq,…`. Needs root.
 * Ends with 1 when NAT falls short of its goals.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { isRoot } from '../../labs/net/namespaces.ts'
import { type Contender, openContender, ports, type Way } from './world.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '2' },
    ways: { type: 'string', default: 'routing,masq,direct,nftables,haproxy' },
  },
})
const seconds = Number(values.seconds)

/** HAProxy carries none here, and iperf3's server answers by its own address rather than the balanced one. */
const withoutUdp: readonly Way[] = ['haproxy', 'direct']

const loads = {
  'connect/s': (contender: Contender) => web(contender, ['-H', 'Connection: close']),
  'request/s': (contender: Contender) => web(contender, []),
  'bulk Gbit/s': async (contender: Contender) => (await iperf(contender, ['-P', '2'])).bits_per_second / 1e9,
  'small UDP/s': async (contender: Contender) =>
    withoutUdp.includes(contender.name) ? Number.NaN : received(await iperf(contender, ['-u', '-l', '64', '-b', '0'])),
} as const
type Figure = keyof typeof loads

/** Of NAT, as ratios to plain routing; measured on prototypes. */
const goals: Readonly<Record<Figure, number>> = {
  'connect/s': 0.96,
  'request/s': 1.09,
  'bulk Gbit/s': 1.02,
  'small UDP/s': 1.08,
}
const noise = 0.1

async function web({ chain, address }: Contender, headers: readonly string[]): Promise<number> {
  const url = `http://${address}:${ports.http}/`
  const command = ['wrk', '-t', '1', '-c', '64', '-d', `${seconds}s`, ...headers, url]
  const text = await chain.run(0, command, (seconds + 20) * 1000)
  if (/Socket errors|Non-2xx/u.test(text)) console.log(text)
  return Number(/Requests\/sec:\s+([\d.]+)/u.exec(text)?.[1])
}

type Sum = {
  readonly bits_per_second: number
  readonly packets: number
  readonly lost_packets: number
  readonly seconds: number
}

async function iperf({ chain, address }: Contender, options: readonly string[]): Promise<Sum> {
  const command = ['iperf3', '-c', address, '-p', String(ports.bulk), '-t', String(seconds), '--json', ...options]
  // One retry: iperf3's server takes one client at a time and is sometimes still busy with the last.
  const run = (): Promise<string> => chain.run(0, command, (seconds + 20) * 1000)
  const { end } = JSON.parse(await run().catch(() => pause(500).then(run))) as { end: { sum_received?: Sum; sum: Sum } }
  return options.includes('-u') ? end.sum : (end.sum_received ?? end.sum)
}

function received({ packets, lost_packets, seconds }: Sum): number {
  return (packets - lost_packets) / seconds
}

async function run(): Promise<number> {
  const names = values.ways.split(',') as Way[]
  const contenders: Contender[] = []
  try {
    for (const name of names) contenders.push(await openContender(name))
    const figures = new Map<Figure, Map<Way, number[]>>()
    for (let round = 0; round < Number(values.rounds); round++)
      for (const [figure, measure] of Object.entries(loads) as [Figure, (typeof loads)[Figure]][])
        for (let turn = 0; turn < contenders.length; turn++) {
          const contender = contenders[(turn + round) % contenders.length]
          if (contender === undefined) continue
          const row = figures.get(figure) ?? new Map<Way, number[]>()
          figures.set(figure, row)
          row.set(contender.name, [...(row.get(contender.name) ?? []), await measure(contender)])
        }
    return report(figures, names)
  } finally {
    for (const contender of contenders) await contender[Symbol.asyncDispose]()
  }
}

function report(figures: ReadonlyMap<Figure, ReadonlyMap<Way, readonly number[]>>, names: readonly Way[]): number {
  const short: string[] = []
  console.log(`${values.rounds} rounds of ${seconds} s, medians (ratio to routing in the same round)`)
  console.log(['figure'.padEnd(14), ...names.map((name) => name.padStart(18))].join(''))
  for (const [figure, row] of figures) {
    const plain = row.get('routing') ?? []
    const cells = names.map((name) => {
      const own = (row.get(name) ?? []).filter((value) => !Number.isNaN(value))
      if (own.length === 0) return '–'.padStart(18)
      const ratio = median(own.map((value, round) => value / (plain[round] ?? Number.NaN)))
      if (name === 'masq' && ratio < goals[figure] * (1 - noise))
        short.push(`${figure} ${ratio.toFixed(2)} of ${goals[figure]}`)
      return `${format(median(own))} (${ratio.toFixed(2)})`.padStart(18)
    })
    console.log([figure.padEnd(14), ...cells].join(''))
  }
  if (short.length > 0) console.log(`short of a goal: ${short.join(', ')}`)
  return short.length > 0 ? 1 : 0
}

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? (sorted[middle] ?? 0) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2
}

function format(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3)
}

if (!isRoot()) console.log('bench: ebpf: skipped, network namespaces need root')
else {
  process.exitCode = await run()
  await (await import('./per-packet.ts')).perPacket()
}
