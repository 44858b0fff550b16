/**
 * The application engine against HAProxy (mode http, one thread as the engine has) and a direct connection, in
 * alternating rounds. `--rounds 5 --seconds 2 --warm 5 --threads 1 --loads request,connect,tls,bulk`.
 */
import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs, promisify } from 'node:util'
import { type Contender, openWorld, type World } from './world.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '2' },
    threads: { type: 'string', default: '1' },
    warm: { type: 'string', default: '5' },
    loads: { type: 'string', default: 'request,connect,tls,bulk' },
  },
})

const bulkBytes = 1024 * 1024
const connections = 32

type Load = 'request' | 'connect' | 'tls' | 'bulk'
type Figures = { readonly [name: string]: number }

/** `request`: every second one goes to the other pool. */
const alternate = `
local at = 0
request = function()
  at = at + 1
  return wrk.format("GET", at % 2 == 0 and "/api/x" or "/x")
end
`

async function measure(world: World, contender: Contender, load: Load, seconds: string): Promise<Figures | undefined> {
  const port = load === 'tls' ? contender.httpsPort : contender.httpPort
  if (port === undefined) return undefined
  const script = join(world.directory, 'alternate.lua')
  await writeFile(script, alternate)
  const options = load === 'connect' ? ['-H', 'Connection: close'] : []
  const url = `${load === 'tls' ? 'https' : 'http'}://127.0.0.1:${port}${load === 'bulk' ? '/bulk' : '/'}`
  if (load !== 'bulk' && load !== 'connect') options.push('-s', script)
  const before = await contender.cpuSeconds()
  const wrk = ['-t', '1', '-c', String(connections), '-d', `${seconds}s`, '--latency', ...options, url]
  const { stdout } = await promisify(execFile)('wrk', wrk, { timeout: (Number(seconds) + 20) * 1000 })
  const cpu = (await contender.cpuSeconds()) - before
  const rate = Number(/Requests\/sec:\s+([\d.]+)/u.exec(stdout)?.[1])
  const errors = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/u.exec(stdout)
  const failed = errors === null ? 0 : errors.slice(1).reduce((sum, part) => sum + Number(part), 0)
  const wrong = Number(/Non-2xx or 3xx responses: (\d+)/u.exec(stdout)?.[1] ?? 0)
  const name = load === 'bulk' ? 'bulk MiB/s' : `${load}/s`
  return {
    [name]: rate,
    [`${load} p99 ms`]: milliseconds(/99%\s+([\d.]+\w+)/u.exec(stdout)?.[1]),
    [`${load} cpu µs`]: (cpu / rate / Number(seconds)) * 1e6,
    [`${load} errors`]: failed + wrong,
  }
}

/** wrk's own units: 12.34us, 1.20ms, 2.00s. */
function milliseconds(text = ''): number {
  const value = Number.parseFloat(text)
  if (text.endsWith('us')) return value / 1000
  return text.endsWith('ms') ? value : value * 1000
}

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? (sorted[middle] ?? 0) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2
}

const format = (value: number): string => (value >= 100 ? value.toFixed(0) : value.toPrecision(3))

await using world = await openWorld(Number(values.threads), bulkBytes)
const loads = values.loads.split(',') as Load[]
// What runs for days is compared as it runs then: compiled.
for (const load of loads)
  for (const contender of world.contenders)
    if (contender.name !== 'direct') await measure(world, contender, load, values.warm)
const figures = new Map<string, Map<string, number[]>>()
for (let round = 0; round < Number(values.rounds); round++)
  for (const load of loads)
    for (let turn = 0; turn < world.contenders.length; turn++) {
      const contender = world.contenders[(turn + round) % world.contenders.length]
      const measured = contender === undefined ? undefined : await measure(world, contender, load, values.seconds)
      if (contender === undefined || measured === undefined) continue
      for (const [name, value] of Object.entries(measured)) {
        const row = figures.get(name) ?? new Map<string, number[]>()
        row.set(contender.name, [...(row.get(contender.name) ?? []), value])
        figures.set(name, row)
      }
    }

console.log(
  `${values.rounds} rounds of ${values.seconds} s, ${connections} connections, medians (ratio to haproxy in the same round)`,
)
console.log(['figure'.padEnd(20), ...world.contenders.map(({ name }) => name.padStart(18))].join(''))
for (const [figure, row] of figures) {
  const peer = row.get('haproxy') ?? []
  const cells = world.contenders.map(({ name }) => {
    const own = row.get(name)
    if (own === undefined) return ''.padStart(18)
    const ratio = median(own.map((value, round) => value / (peer[round] ?? Number.NaN)))
    return `${format(median(own))} (${Number.isFinite(ratio) ? ratio.toFixed(2) : '-'})`.padStart(18)
  })
  console.log([figure.padEnd(20), ...cells].join(''))
}
