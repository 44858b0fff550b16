/**
 * What a decision costs: each scheduler with 10, 1,000 and 10,000 servers, against a walk through the whole list, which
 * is what the kernel does, where it has one; and how long mh takes to make its table. A decision here is the pick, its
 * connection, and the end of an older one, with all that the scheduler is told about them.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { maglevTable } from '../../src/lvs/schedulers/maglev.ts'
import { schedulers } from '../../src/lvs/schedulers/registry.ts'
import type { SchedulerFactory } from '../../src/lvs/schedulers/scheduler.ts'
import { type SchedulerName, schedulerNames } from '../../src/lvs/service.ts'
import { linearSchedulers } from '../../test/build/linear-schedulers.ts'
import { buildFlow, type Server, words } from '../../test/build/scheduling.ts'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

const sizes = [10, 1000, 10_000] as const
const rounds = 7
/** A round takes about so long, so that slow walks do not take the whole day. */
const roundMs = 40

/** Words in typed arrays: a plain array of numbers beyond 2^31 makes each of them litter when it is read. */
const flows = Array.from({ length: 4096 }, (_, at) => {
  const low = `${at >> 8}.${at & 255}`
  const { source, destination, ...rest } = buildFlow({ source: `198.18.${low}`, destination: `10.60.${low}` })
  return {
    ...rest,
    source: Uint32Array.from(source),
    destination: Uint32Array.from(destination),
    sourcePort: 1024 + at,
  }
})

function makeServers(count: number): Server[] {
  return Array.from({ length: count }, (_, at) => {
    const weight = 1 + ((at * 7) % 10)
    const address = words(`10.${at >> 16}.${(at >> 8) & 255}.${at & 255}`)
    return {
      name: at,
      weight,
      lastWeight: weight,
      active: 0,
      inactive: 0,
      overloaded: false,
      isTried: false,
      address,
      port: 80,
    }
  })
}

/** A service in the midst of its work: about two connections for each weight stand, the oldest ends with each new one. */
class Load {
  readonly #scheduler
  readonly #standing: (Server | undefined)[]
  #at = 0

  constructor(factory: SchedulerFactory, count: number) {
    this.#scheduler = factory(makeServers(count), { flags: [], random: Math.random })
    this.#standing = Array.from({ length: count * 11 })
    this.run(Math.min(count * 22, 20_000))
  }

  run(decisions: number): void {
    const scheduler = this.#scheduler
    const standing = this.#standing
    let at = this.#at
    for (let left = decisions; left > 0; left--) {
      const flow = flows[at & 4095]
      if (flow === undefined) return
      const place = at % standing.length
      const ending = standing[place]
      if (ending !== undefined) {
        ending.active -= 1
        scheduler.counted(ending)
      }
      const picked = scheduler.pick(flow)
      if (picked !== undefined) {
        picked.active += 1
        scheduler.counted(picked)
      }
      standing[place] = picked
      at = (at + 1) | 0
    }
    this.#at = at
  }
}

type Subject = { readonly load: Load; decisions: number; readonly nanoseconds: number[] }

function subject(factory: SchedulerFactory, count: number): Subject {
  const load = new Load(factory, count)
  let decisions = 100
  for (;;) {
    const begun = performance.now()
    load.run(decisions)
    const took = performance.now() - begun
    if (took > roundMs / 4) return { load, decisions: Math.ceil((decisions * roundMs) / took), nanoseconds: [] }
    decisions *= 2
  }
}

function round({ load, decisions, nanoseconds }: Subject): void {
  const begun = performance.now()
  load.run(decisions)
  nanoseconds.push(((performance.now() - begun) * 1e6) / decisions)
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}

/** Bytes that a decision leaves for the collector; of twos they are its two random numbers. */
function litter({ load }: Subject): number {
  const decisions = 20_000
  collect()
  const before = process.memoryUsage().heapUsed
  load.run(decisions)
  return Math.max(0, process.memoryUsage().heapUsed - before) / decisions
}

const cell = (value: number, digits = 0): string => value.toFixed(digits).padStart(10)

function measure(name: SchedulerName, count: number): string {
  const walk = name in linearSchedulers ? linearSchedulers[name as keyof typeof linearSchedulers] : undefined
  const own = subject(schedulers[name], count)
  const peer = walk && subject(walk, count)
  for (let number = 0; number < rounds; number++) {
    round(own)
    if (peer !== undefined) round(peer)
  }
  const cost = median(own.nanoseconds)
  const walked = peer && median(peer.nanoseconds)
  const ratio = walked === undefined ? '' : `${cell(walked)} ns${cell(walked / cost, 2)} ×`
  return `  ${name.padEnd(6)}${String(count).padStart(7)}${cell(cost)} ns${cell(litter(own), 1)} B${ratio}`
}

console.log(
  `schedulers: ${rounds} alternating rounds, medians; a decision's cost and litter, a walk's cost, walk/decision`,
)
for (const name of schedulerNames) for (const count of sizes) console.log(measure(name, count))

console.log(
  'mh: its table made anew at the first decision after a change; table/walk: a walk of wlc through the same servers',
)
for (const count of sizes) {
  const servers = makeServers(count)
  const times: { table: number[]; walk: number[] } = { table: [], walk: [] }
  const wlc = linearSchedulers.wlc(servers, { flags: [], random: Math.random })
  for (let number = 0; number < rounds; number++) {
    let begun = performance.now()
    maglevTable(servers, 1)
    times.table.push(performance.now() - begun)
    begun = performance.now()
    for (const flow of flows.slice(0, 100)) wlc.pick(flow)
    times.walk.push((performance.now() - begun) / 100)
  }
  const table = median(times.table)
  console.log(
    `  ${String(count).padStart(6)} servers${cell(table, 2)} ms${cell(table / median(times.walk), 1)} × a walk`,
  )
}
