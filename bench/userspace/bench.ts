/**
 * The userspace engine against HAProxy (mode tcp, as many threads) and a direct connection, in alternating rounds.
 * `--rounds 7 --seconds 2 --threads 2 --loads connect,request,bulk,bulk-back --planes epoll,net`. Needs root.
 * Ends with 1 when it falls short of its goals.
 */
import { parseArgs } from 'node:util'
import { isRoot } from '../../labs/net/namespaces.ts'
import { type Load, measure } from './measure.ts'
import { openWorld, type Wanted } from './world.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '7' },
    seconds: { type: 'string', default: '2' },
    threads: { type: 'string', default: '2' },
    loads: { type: 'string', default: 'connect,request,bulk,bulk-back' },
    planes: { type: 'string', default: 'epoll,net' },
  },
})

/** Ratios to HAProxy that the engine's best plane is to reach. */
const goals: { readonly [figure: string]: number } = {
  'connect/s': 0.9,
  'request/s': 1,
  'bulk Gbit/s': 1,
  'bulk back Gbit/s': 1,
}

/** What two runs of the same thing differ by here. */
const noise = 0.05

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? (sorted[middle] ?? 0) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2
}

async function run(): Promise<number> {
  const threads = Number(values.threads)
  const planes = values.planes.split(',').map((text): Wanted => {
    const [plane = '', own] = text.split(':')
    return { name: text, plane: plane === 'net' ? 'net' : 'epoll', threads: Number(own ?? threads) }
  })
  await using world = await openWorld([{ name: 'haproxy', plane: 'haproxy', threads }, ...planes])
  const figures = new Map<string, Map<string, number[]>>()
  for (let round = 0; round < Number(values.rounds); round++)
    for (const load of values.loads.split(',') as Load[])
      for (let turn = 0; turn < world.contenders.length; turn++) {
        const contender = world.contenders[(turn + round) % world.contenders.length]
        if (contender === undefined) continue
        const measured = await measure(world, contender, load, Number(values.seconds))
        for (const [name, value] of Object.entries(measured)) {
          const row = figures.get(name) ?? new Map<string, number[]>()
          row.set(contender.name, [...(row.get(contender.name) ?? []), value])
          figures.set(name, row)
        }
      }
  return report(
    figures,
    world.contenders.map(({ name }) => name),
  )
}

function report(
  figures: ReadonlyMap<string, ReadonlyMap<string, readonly number[]>>,
  names: readonly string[],
): number {
  let isShort = false
  console.log(`${values.rounds} rounds of ${values.seconds} s, medians (ratio to haproxy in the same round)`)
  console.log(['figure'.padEnd(20), ...names.map((name) => name.padStart(20))].join(''))
  for (const [figure, row] of figures) {
    const peer = row.get('haproxy') ?? []
    const cells = names.map((name) => {
      const own = row.get(name)
      if (own === undefined) return ''.padStart(20)
      const ratio = median(own.map((value, round) => value / (peer[round] ?? Number.NaN)))
      const goal = goals[figure]
      if (goal !== undefined && name === 'epoll' && ratio < goal * (1 - noise)) isShort = true
      return `${format(median(own))} (${ratio.toFixed(2)})`.padStart(20)
    })
    console.log([figure.padEnd(20), ...cells].join(''))
  }
  if (isShort) console.log('short of a goal: new connections 0.9, requests and bulk 1.0 of haproxy')
  return isShort ? 1 : 0
}

function format(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3)
}

if (!isRoot()) {
  console.log('bench: userspace: skipped, network namespaces need root')
} else process.exitCode = await run()
