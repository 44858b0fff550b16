/**
 * Idle connections through one director: how many it holds without losing one, in how much memory, beside HAProxy in mode
 * tcp. Over loopback, no root. `--count 100000 --contenders haproxy,epoll,net --threads 2`. A process may only hold as
 * many as its limit of open files allows, two for each connection: `ulimit -n 210000` for 100,000.
 * Ends with 1 when a connection was lost, or when one takes more memory than HAProxy's.
 */
import { parseArgs } from 'node:util'
import { measure, openFileLimit } from './measure.ts'

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '100000' },
    contenders: { type: 'string', default: 'haproxy,epoll,net' },
    threads: { type: 'string', default: '2' },
  },
})

/** Descriptors that a director needs besides: listeners, libraries, epolls. */
const otherFiles = 200

async function run(): Promise<number> {
  const wanted = Number(values.count)
  const limit = await openFileLimit()
  const count = Math.min(wanted, Math.floor((limit - otherFiles) / 2))
  if (count < wanted)
    console.log(`${wanted} connections need ${2 * wanted + otherFiles} open files; ${limit} allow for ${count}`)
  console.log('contender    opened       /s    whole   RSS bytes   kernel bytes  (each per connection)')
  let isShort = false
  let peerBytes = Number.POSITIVE_INFINITY
  for (const name of values.contenders.split(',')) {
    const figures = await measure(name, count, Number(values.threads))
    const { opened, whole, perSecond, rssBytes, kernelBytes } = figures
    const row = [String(opened).padStart(9), perSecond.toFixed(0).padStart(8), String(whole).padStart(8)]
    const bytes = [rssBytes.toFixed(0).padStart(11), kernelBytes.toFixed(0).padStart(14)]
    console.log([name.padEnd(10), ...row, ...bytes].join(' '))
    if (whole < count) isShort = true
    if (name === 'haproxy') peerBytes = rssBytes
    else if (name === 'epoll' && rssBytes > peerBytes) isShort = true
  }
  if (isShort) console.log('short of a goal: every connection whole, in no more memory than haproxy')
  return isShort ? 1 : 0
}

process.exitCode = await run()
