/** The shape of what the ebpf engine is told when it begins, and which of its keys go together. */
import * as z from 'zod'
import { type LimitName, limitMeanings, limitRanges, limitsOf, xdpWays } from '../../engines/ebpf/tuning.ts'
import { choice, integer, text } from './leaf.ts'
import { map } from './map.ts'
import { child, problem, type Report, type SourceMap, type SourceNode, textOf } from './source.ts'

const limit = (name: LimitName) => {
  const [least, most] = limitRanges[name]
  return integer(least, most).optional().describe(`So many ${limitMeanings[name]}.`)
}

export const ebpf = map({
  interfaces: z
    .array(text('the name of a network interface', /^[^\s/]{1,15}$/))
    .optional()
    .describe('Where it takes packets; left out, lo and all interfaces that a route leads through.'),
  xdp: choice('way of XDP', xdpWays)
    .optional()
    .describe(
      'Whether drivers send on what goes by direct routing or tunnel; auto: those of hardware that can. off when left out.',
    ),
  limits: map({
    connections: limit('connections'),
    'half-open': limit('half-open'),
    templates: limit('templates'),
    services: limit('services'),
    servers: limit('servers'),
    'table-entries': limit('table-entries'),
    destinations: limit('destinations'),
  })
    .optional()
    .describe('How much its tables hold; those that stand keep their size.'),
})

/** Engines that may turn out to be ebpf. */
const engines = ['auto', 'ebpf']

export function checkEbpf(root: SourceMap, report: Report): void {
  const directors = child(root, 'directors')
  const entry = directors?.kind === 'map' ? directors.entries.get('ebpf') : undefined
  if (entry === undefined) return
  const engine = textOf(child(directors, 'engine')) ?? 'auto'
  if (!engines.includes(engine))
    report(problem(entry.key, `ebpf does not go with engine: ${engine}`, 'remove one of them'))
  const limits = child(entry.value, 'limits')
  const halfOpen = child(limits, 'half-open')
  const [half, all] = [wholeNumber(halfOpen), wholeNumber(child(limits, 'connections')) ?? limitsOf().connections]
  if (halfOpen !== undefined && half !== undefined && half > all)
    report(
      problem(
        halfOpen.place,
        `half-open ${half} is above connections ${all}`,
        'it is the share of these that may be half-open',
      ),
    )
}

function wholeNumber(node: SourceNode | undefined): number | undefined {
  const value = node?.kind === 'scalar' ? node.value : undefined
  return typeof value === 'number' ? value : undefined
}
