/** What differs between a thing as it is and as it is wanted, in words: the reasons of a plan. Pure. */

import { difference, sameData } from '../../difference.ts'
import type { ClusterServices, WantedServer, WantedService } from '../../director/control.ts'
import type { GuestDefinition, GuestNetwork } from '../../guests/hypervisor.ts'
import { formatEndpoint, realServerKey } from '../../lvs/service.ts'
import { formatDuration } from '../spec/duration.ts'
import { formatSize } from '../spec/size.ts'
import type { PlannedGuest } from './plan.ts'

/** What has to be done about a guest that stands, with its reasons; undefined: nothing. */
export type GuestChange = {
  readonly kind: 'update' | 'restart' | 'replace'
  readonly reasons: readonly string[]
  /** Whether its ports may be reached elsewhere afterwards. */
  readonly movesPorts: boolean
  /** What an update leaves to be done when the services have moved on: forwards that nobody uses then. */
  readonly closes: readonly Forward[]
}

type Forward = Extract<GuestNetwork, { kind: 'user' }>['forwards'][number]

/** The strongest change wins: what needs another disk replaces, what needs another start restarts, the rest is live. */
export function guestChange(
  actual: GuestDefinition,
  wanted: PlannedGuest,
  digest: string | undefined,
): GuestChange | undefined {
  const replace: string[] = []
  const restart: string[] = []
  const update: string[] = []
  if (actual.image !== digest) replace.push(`image ${wanted.image} changed`)
  const disk = actual.disks[0]?.sizeBytes
  if (disk !== wanted.diskBytes) replace.push(`disk changes from ${sizeWord(disk)} to ${sizeWord(wanted.diskBytes)}`)
  const [{ directory } = { directory: wanted.diskDirectory }] = actual.disks
  if (directory !== wanted.diskDirectory)
    replace.push(`storage moves from ${directory ?? 'the usual place'} to ${wanted.diskDirectory ?? 'the usual place'}`)
  if (actual.memoryBytes !== wanted.memoryBytes)
    restart.push(`memory changes from ${formatSize(actual.memoryBytes)} to ${formatSize(wanted.memoryBytes)}`)
  if (actual.vcpus !== wanted.vcpus) restart.push(`vcpus change from ${actual.vcpus} to ${wanted.vcpus}`)
  if (networkText(actual.network) !== networkText(wanted.network))
    restart.push(`network changes from ${networkText(actual.network)} to ${networkText(wanted.network)}`)
  if (actual.autostart !== wanted.autostart) update.push(`autostart is switched ${wanted.autostart ? 'on' : 'off'}`)
  if (actual.mark?.pool !== wanted.mark?.pool) update.push(`it belongs to pool ${wanted.mark?.pool} now`)
  if (replace.length > 0) return { kind: 'replace', reasons: [...replace, ...restart], movesPorts: true, closes: [] }
  if (restart.length > 0) return { kind: 'restart', reasons: restart, movesPorts: true, closes: [] }
  const opens = missingForwards(actual.network, wanted.network)
  const closes = missingForwards(wanted.network, actual.network)
  if (opens.length > 0) update.push(`${portsText(opens)} forwarded`)
  if (update.length === 0 && closes.length === 0) return undefined
  return { kind: 'update', reasons: update, movesPorts: opens.length > 0, closes }
}

/** `port 80/tcp is`, `ports 80/tcp 81/udp are`. */
export function portsText(forwards: readonly Forward[]): string {
  const texts = forwards.map(({ protocol, port }) => `${port}/${protocol}`)
  return `${texts.length === 1 ? 'port' : 'ports'} ${texts.join(' ')} ${texts.length === 1 ? 'is' : 'are'}`
}

/** Those of the second that the first has not. */
function missingForwards(has: GuestNetwork, wanted: GuestNetwork): readonly Forward[] {
  if (has.kind !== 'user' || wanted.kind !== 'user') return []
  return wanted.forwards.filter(
    ({ protocol, port }) => !has.forwards.some((other) => other.protocol === protocol && other.port === port),
  )
}

const sizeWord = (bytes: number | undefined): string =>
  bytes === undefined ? "the image's own size" : formatSize(bytes)

function networkText(network: GuestNetwork): string {
  if (network.kind === 'user') return 'user'
  return [
    network.bridge,
    network.address ?? 'dhcp',
    ...(network.gateway === undefined ? [] : [`via ${network.gateway}`]),
  ].join(' ')
}

/** Every difference between the services a director has for a cluster and the wanted ones; empty: none. */
export function serviceReasons(actual: ClusterServices | undefined, wanted: ClusterServices): string[] {
  const byName = (services: ClusterServices | undefined): Map<string, WantedService> =>
    new Map((services?.services ?? []).map((service) => [service.name, service]))
  const found = difference(byName(actual), byName(wanted), (a, b) => oneServiceReasons(a, b).length === 0)
  return [
    ...found.added.map(({ key }) => `service ${key} is new`),
    ...found.changed.flatMap(({ key, actual, wanted }) =>
      oneServiceReasons(actual, wanted).map((reason) => `${key}: ${reason}`),
    ),
    ...found.removed.map(({ key }) => `service ${key} is no longer wanted`),
  ]
}

function oneServiceReasons(actual: WantedService, wanted: WantedService): string[] {
  const reasons: string[] = []
  const compare = (what: string, before: unknown, after: unknown): void => {
    if (!sameData(before, after)) reasons.push(`${what} changes from ${word(before)} to ${word(after)}`)
  }
  compare('address', actual.service.id, wanted.service.id)
  compare('scheduler', actual.service.scheduler, wanted.service.scheduler)
  const { id: _a, scheduler: _b, ...actualRest } = actual.service
  const { id: _c, scheduler: _d, ...wantedRest } = wanted.service
  if (!sameData(actualRest, wantedRest)) reasons.push('its options change')
  if (!sameData(actual.check, wanted.check)) reasons.push(checkReason(actual.check, wanted.check))
  compare('on-failure', actual.onFailure, wanted.onFailure)
  compare('fallback', actual.fallback, wanted.fallback)
  return [...reasons, ...serverReasons(actual.servers, wanted.servers)]
}

function checkReason(actual: WantedService['check'], wanted: WantedService['check']): string {
  if (actual === undefined) return 'it gets a check'
  if (wanted === undefined) return 'it loses its check'
  return actual.everyMs === wanted.everyMs
    ? 'its check changes'
    : `its check runs every ${formatDuration(wanted.everyMs)} instead of ${formatDuration(actual.everyMs)}`
}

function serverReasons(actual: readonly WantedServer[], wanted: readonly WantedServer[]): string[] {
  const byName = (servers: readonly WantedServer[]): Map<string, WantedServer> =>
    new Map(
      servers.map((server) => [
        server.guest === undefined ? realServerKey(server) : `${server.guest}:${server.guestPort}`,
        server,
      ]),
    )
  const found = difference(byName(actual), byName(wanted), sameData)
  return [
    ...found.added.map(({ key }) => `server ${key} joins`),
    ...found.changed.map(({ key, actual, wanted }) => serverReason(key, actual, wanted)),
    ...found.removed.map(({ key }) => `server ${key} leaves`),
  ]
}

function serverReason(key: string, actual: WantedServer, wanted: WantedServer): string {
  if (actual.weight !== wanted.weight) return `weight of ${key} changes from ${actual.weight} to ${wanted.weight}`
  if (formatEndpoint(actual) !== formatEndpoint(wanted)) return `server ${key} is reached elsewhere now`
  return `server ${key} changes`
}

function word(value: unknown): string {
  if (value === undefined) return 'none'
  if (typeof value === 'string') return value
  if (typeof value === 'object' && value !== null && 'address' in value && 'port' in value)
    return formatEndpoint({ address: String(value.address), port: Number(value.port) })
  return JSON.stringify(value)
}
