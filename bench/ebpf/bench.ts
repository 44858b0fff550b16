/**
 * The eBPF engine (NAT, direct routing, tunnels) against plain routing, nftables DNAT and HAProxy (mode tcp, two threads),
 * in alternating rounds: ratios to plain routing in the same round; then what a packet costs; then against the kernel's own
 * IPVS, in a guest whose kernel has it. Needs root. `--rounds 5 --seconds 2 --ways routing,masq,…`; `--short` only shows that
 * it runs; `--guest` is what the guest runs. Ends with 1 when a goal is missed.
 */
import { parseArgs } from 'node:util'
import { isRoot } from '../../labs/net/namespaces.ts'
import { goals, noise } from './goals.ts'
import { besideKernelIpvs } from './kernel-ipvs.ts'
import { canCarry, type Figure, figures, type Measured, measure } from './loads.ts'
import { perPacket } from './per-packet.ts'
import { type Contender, guestWays, openContender, type Way, ways } from './world.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    ways: { type: 'string' },
    short: { type: 'boolean', default: false },
    guest: { type: 'boolean', default: false },
  },
})
const rounds = Number(values.rounds ?? (values.short ? 1 : 5))
const seconds = Number(values.seconds ?? (values.short ? 1 : 2))
const known: readonly Way[] = values.guest ? guestWays : ways
const names = known.filter((way) => way === 'routing' || (values.ways?.split(',').includes(way) ?? true))

type Row = ReadonlyMap<Way, readonly Measured[]>

async function run(): Promise<ReadonlyMap<Figure, Row>> {
  const contenders: Contender[] = []
  try {
    for (const name of names) contenders.push(await openContender(name))
    const table = new Map<Figure, Map<Way, Measured[]>>()
    for (let round = 0; round < rounds; round++)
      for (const figure of figures) {
        const row = table.get(figure) ?? new Map<Way, Measured[]>()
        table.set(figure, row)
        for (let turn = 0; turn < contenders.length; turn++) {
          const contender = contenders[(turn + round) % contenders.length]
          if (contender === undefined || !canCarry(contender.name, figure)) continue
          row.set(contender.name, [...(row.get(contender.name) ?? []), await measure(contender, figure, seconds)])
        }
      }
    return table
  } finally {
    for (const contender of contenders) await contender[Symbol.asyncDispose]()
  }
}

/** Goals that are missed. */
function report(table: ReadonlyMap<Figure, Row>): string[] {
  console.log(
    `${rounds} rounds of ${seconds} s: median (ratio to routing in the same round / goal, ! where it is missed)`,
  )
  line('', names)
  const missed = [...table].flatMap(([figure, row]) => {
    const ratio = (way: Way): number => ratioOf(row, way, ({ perSecond }) => perSecond)
    const isMissed = (way: Way): boolean => !values.guest && ratio(way) < (goals[way]?.[figure] ?? 0) * (1 - noise)
    line(
      figure,
      names.map((way) => {
        const own = row.get(way)
        if (own === undefined) return '–'
        const goal = values.guest ? undefined : goals[way]?.[figure]
        const beside = goal === undefined ? '' : `/${goal.toFixed(2)}${isMissed(way) ? '!' : ''}`
        return `${format(median(own.map(({ perSecond }) => perSecond)))} (${ratio(way).toFixed(2)}${beside})`
      }),
    )
    return names.filter(isMissed).map((way) => `${way} ${figure} ${ratio(way).toFixed(2)} of ${goals[way]?.[figure]}`)
  })
  for (const [figure, row] of table) {
    const micros = ({ micros = Number.NaN }: Measured): number => micros
    if ([...row.values()].flat().some((one) => one.micros === undefined)) continue
    line(
      `CPU µs a ${figure.replace('/s', '')}`,
      names.map(
        (way) => `${format(median((row.get(way) ?? []).map(micros)))} (${ratioOf(row, way, micros).toFixed(2)})`,
      ),
    )
  }
  return missed
}

/** The engine to the kernel's IPVS in the same round. */
function besideIpvs(table: ReadonlyMap<Figure, Row>): string {
  const ratios = [...table].map(
    ([figure, row]) => `${figure} ${ratioOf(row, 'masq', ({ perSecond }) => perSecond, 'ipvs').toFixed(2)}`,
  )
  return `masq to the kernel's IPVS: ${ratios.join(', ')}`
}

function ratioOf(row: Row, way: Way, value: (measured: Measured) => number, to: Way = 'routing'): number {
  const plain = row.get(to) ?? []
  return median((row.get(way) ?? []).map((own, round) => value(own) / value(plain[round] ?? own)))
}

function line(title: string, cells: readonly string[]): void {
  console.log([title.padEnd(15), ...cells.map((cell) => cell.padStart(21))].join(''))
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
else if (values.guest) {
  const table = await run()
  report(table)
  console.log(besideIpvs(table))
} else {
  const missed = [...report(await run()), ...(await perPacket(values.short))]
  if (!values.short) await besideKernelIpvs()
  if (missed.length > 0) console.log(`\nshort of a goal: ${missed.join(', ')}`)
  else console.log('\nall goals are met')
  process.exitCode = missed.length > 0 && !values.short ? 1 : 0
}
