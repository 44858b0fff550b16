/** Virtual routers: from the file's shape to the model, and back. */
import { defaultAnnouncing } from '../../vrrp/machine/config.ts'
import type { TrackSpec } from '../../vrrp/spec.ts'
import { formatDuration } from './duration.ts'
import { given } from './given.ts'
import type { StandingSpec, VirtualRouterSpec } from './model.ts'
import { defaultRouter, type RouterShape, type StandingShape, type TrackedShape } from './vrrp-schema.ts'
import { unless, type Written } from './written.ts'

const shell = ['/bin/sh', '-c'] as const
const defaultEveryMs = 1000
const usualPriority = 100

export function routerSpecs(shape: RouterShape | readonly RouterShape[] | undefined): VirtualRouterSpec[] | undefined {
  if (shape === undefined) return undefined
  const shapes = 'id' in shape ? [shape] : shape
  return shapes.length === 0 ? undefined : shapes.map(routerSpec)
}

function routerSpec(shape: RouterShape): VirtualRouterSpec {
  const { announce } = shape
  return {
    name: shape.name,
    interface: shape.interface,
    id: shape.id,
    version: shape.version === 2 ? 2 : 3,
    ...prioritySpec(shape.priority),
    intervalMs: shape.every,
    ...given('addresses', shape.addresses),
    beside: shape.beside ?? [],
    ...given('routes', unlessEmpty(shape.routes)),
    ...given('rules', unlessEmpty(shape.rules)),
    downAdverts: shape.missed,
    answersLower: shape['answer-lower'],
    preempts: shape.preempt,
    preemptDelayMs: shape['preempt-delay'] ?? 0,
    ...given('peers', shape.peers),
    ...given('source', shape.source),
    ...given('multicast', shape.multicast),
    also: (shape.also ?? []).map((path) => ({
      interface: path.interface,
      ...given('peers', path.peers),
      ...given('source', path.source),
      ...given('multicast', path.multicast),
    })),
    ...given('password', shape.password),
    checksum: shape.checksum,
    checksAddresses: shape['check-addresses'],
    hasVirtualMac: shape['virtual-mac'],
    accepts: shape.accept,
    tracksOwn: shape['track-own'],
    tracked: (shape.track ?? []).map(trackSpec),
    ...given('group', shape.group),
    announcing: {
      conflictTimes: announce['conflict-times'],
      conflictDelayMs: announce['conflict-delay'],
      refreshTimes: announce['refresh-times'],
      times: announce.times,
      delayMs: announce.delay,
      ...given('refreshMs', announce.refresh),
    },
  }
}

/** Left out of a map, it is the usual one. */
function prioritySpec(written: RouterShape['priority']): Pick<VirtualRouterSpec, 'priority' | 'priorities'> {
  return typeof written === 'number' ? { priority: written } : { priority: usualPriority, priorities: written }
}

function unlessEmpty(list: readonly string[] | undefined): readonly string[] | undefined {
  return list === undefined || list.length === 0 ? undefined : list
}

export function standingSpec(shape: StandingShape): StandingSpec | undefined {
  const spec = {
    ...given('addresses', unlessEmpty(shape?.addresses)),
    ...given('routes', unlessEmpty(shape?.routes)),
    ...given('rules', unlessEmpty(shape?.rules)),
  }
  return Object.keys(spec).length === 0 ? undefined : spec
}

function trackSpec(shape: TrackedShape): TrackSpec {
  const { interface: name, command, service, file, process: program, weight, reverse, ...how } = shape
  const heavy = { ...given('weight', weight), ...given('isReversed', reverse || undefined) }
  if (file !== undefined) return { kind: 'file', path: file, ...heavy }
  if (program !== undefined) return { ...processSpec(program, shape), ...heavy }
  if (name !== undefined) return { kind: 'interface', interface: name, ...heavy }
  if (service !== undefined) return { kind: 'service', service, ...heavy }
  const argv = command === undefined ? [] : 'argv' in command ? command.argv : [...shell, command.shell]
  const everyMs = how.every ?? defaultEveryMs
  const { rise = 1, fall = 1, timeout = everyMs } = how
  return { kind: 'command', argv, everyMs, timeoutMs: timeout, rise, fall, ...heavy }
}

function processSpec(program: string, shape: TrackedShape): TrackSpec & { readonly kind: 'process' } {
  const { parameters, match = 'exact', least = 1, most } = shape
  return {
    kind: 'process',
    program,
    ...given('parameters', parameters && { words: parameters, match }),
    ...given('isFullCommand', program.includes('/') || undefined),
    least,
    ...given('most', most),
    forkDelayMs: shape['after-start'] ?? 0,
    terminateDelayMs: shape['after-end'] ?? 0,
  }
}

export function routersText(routers: readonly VirtualRouterSpec[] | undefined): Written | Written[] | undefined {
  if (routers === undefined) return undefined
  const [only, ...more] = routers.map(routerText)
  return only !== undefined && more.length === 0 ? only : routers.map(routerText)
}

function routerText(router: VirtualRouterSpec): Written {
  const { announcing } = router
  const announce = {
    times: unless(defaultAnnouncing.times, announcing.times),
    delay: unless(formatDuration(defaultAnnouncing.delayMs), formatDuration(announcing.delayMs)),
    refresh: announcing.refreshMs === undefined ? undefined : formatDuration(announcing.refreshMs),
    'refresh-times': unless(defaultAnnouncing.refreshTimes, announcing.refreshTimes),
    'conflict-times': unless(defaultAnnouncing.conflictTimes, announcing.conflictTimes),
    'conflict-delay': unless(
      formatDuration(defaultAnnouncing.conflictDelayMs),
      formatDuration(announcing.conflictDelayMs),
    ),
  }
  return {
    name: unless(defaultRouter.name, router.name),
    interface: router.interface,
    id: router.id,
    priority: router.priorities ?? unless(usualPriority, router.priority),
    every: unless(formatDuration(defaultRouter.every), formatDuration(router.intervalMs)),
    version: unless(defaultRouter.version, router.version),
    addresses: router.addresses,
    beside: router.beside.length === 0 ? undefined : router.beside,
    routes: router.routes,
    rules: router.rules,
    missed: unless(defaultRouter.missed, router.downAdverts),
    preempt: unless(true, router.preempts),
    'preempt-delay': router.preemptDelayMs === 0 ? undefined : formatDuration(router.preemptDelayMs),
    peers: router.peers,
    source: router.source,
    multicast: router.multicast,
    also: router.also.length === 0 ? undefined : router.also,
    password: router.password,
    checksum: unless(defaultRouter.checksum, router.checksum),
    'check-addresses': unless(true, router.checksAddresses),
    'answer-lower': unless(true, router.answersLower),
    'virtual-mac': unless(false, router.hasVirtualMac),
    accept: unless(true, router.accepts),
    'track-own': unless(true, router.tracksOwn),
    track: router.tracked.length === 0 ? undefined : router.tracked.map(trackText),
    group: router.group,
    announce: Object.values(announce).every((value) => value === undefined) ? undefined : announce,
  }
}

function trackText(track: TrackSpec): Written {
  const heavy = { weight: track.weight, reverse: track.isReversed }
  if (track.kind === 'interface') return { interface: track.interface, ...heavy }
  if (track.kind === 'service') return { service: track.service, ...heavy }
  if (track.kind === 'file') return { file: track.path, ...heavy }
  if (track.kind === 'process') return { ...processText(track), ...heavy }
  const [program, option, line = '', ...more] = track.argv
  const isLine = program === shell[0] && option === shell[1] && more.length === 0 && line.trim() !== ''
  return {
    command: isLine ? line : track.argv,
    every: unless(formatDuration(defaultEveryMs), formatDuration(track.everyMs)),
    timeout: unless(formatDuration(track.everyMs), formatDuration(track.timeoutMs)),
    rise: unless(1, track.rise),
    fall: unless(1, track.fall),
    ...heavy,
  }
}

function processText(track: TrackSpec & { readonly kind: 'process' }): Written {
  const { program, parameters, least, most, forkDelayMs, terminateDelayMs } = track
  return {
    process: program,
    parameters: parameters?.words,
    match: unless('exact', parameters?.match),
    least: unless(1, least),
    most,
    'after-start': unless('0ms', formatDuration(forkDelayMs)),
    'after-end': unless('0ms', formatDuration(terminateDelayMs)),
  }
}
