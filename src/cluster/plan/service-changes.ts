/** What differs between services as they are and as they are wanted, in words: the reasons of a plan. Pure. */
import { canonicalText, difference, sameData } from '../../difference.ts'
import type { ClusterServices, WantedServer, WantedService } from '../../director/control.ts'
import type { Application, ContentRule } from '../../lvs/application.ts'
import { formatEndpoint, type Persistence, realServerKey, type Service, serviceKey } from '../../lvs/service.ts'
import type { SettingsChange } from '../../lvs/settings.ts'
import { formatDuration } from '../spec/duration.ts'

/** Every difference between the services a director has for a cluster and the wanted ones; empty: none. */
export function serviceReasons(actual: ClusterServices | undefined, wanted: ClusterServices): string[] {
  const byName = (services: ClusterServices | undefined): Map<string, WantedService> =>
    new Map((services?.services ?? []).map((service) => [service.name, service]))
  const found = difference(byName(actual), byName(wanted), (a, b) => oneServiceReasons(a, b).length === 0)
  return [
    ...settingsReasons(actual?.settings, wanted.settings),
    ...(actual === undefined ? [] : maintenanceReasons(actual.maintenance, wanted.maintenance)),
    ...(actual === undefined ? [] : outsideReasons(actual, wanted)),
    ...(sameData(actual?.guests, wanted.guests) || actual === undefined
      ? []
      : ['how guests are drained and restarted changes']),
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
  compare('address', serviceKey(actual.service.id), serviceKey(wanted.service.id))
  compare('scheduler', actual.service.scheduler, wanted.service.scheduler)
  reasons.push(...optionReasons(actual.service, wanted.service))
  if (!sameData(actual.checks, wanted.checks)) reasons.push(checkReason(actual.checks, wanted.checks))
  compare('on-failure', actual.onFailure, wanted.onFailure)
  compare('fallback', actual.fallback, wanted.fallback)
  compare('quorum', quorumWord(actual.quorum), quorumWord(wanted.quorum))
  compare('fallback command', actual.fallbackCommand, wanted.fallbackCommand)
  compare('panic threshold', percent(actual.panicPercent), percent(wanted.panicPercent))
  compare('slow start', time(actual.slowStartMs), time(wanted.slowStartMs))
  return [...reasons, ...serverReasons(actual.servers, wanted.servers)]
}

const percent = (value: number | undefined): string | undefined => (value === undefined ? undefined : `${value}%`)
const quorumWord = (quorum: WantedService['quorum']): string | undefined =>
  quorum && `${quorum.weight}${quorum.hysteresis === 0 ? '' : `, hysteresis ${quorum.hysteresis}`}`
const time = (ms: number | undefined): string | undefined => (ms === undefined ? undefined : formatDuration(ms))

function checkReason(actual: WantedService['checks'], wanted: WantedService['checks']): string {
  const [was, is] = [actual[0], wanted[0]]
  if (was === undefined) return wanted.length === 1 ? 'it gets a check' : `it gets ${wanted.length} checks`
  if (is === undefined) return actual.length === 1 ? 'it loses its check' : 'it loses its checks'
  if (actual.length !== wanted.length)
    return `it has ${wanted.length === 1 ? '1 check' : `${wanted.length} checks`} instead of ${actual.length}`
  if (wanted.length > 1) return 'its checks change'
  return was.everyMs === is.everyMs
    ? 'its check changes'
    : `its check runs every ${formatDuration(is.everyMs)} instead of ${formatDuration(was.everyMs)}`
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
  if (actual.forwarding !== wanted.forwarding)
    return `${key} is reached by ${wanted.forwarding} instead of ${actual.forwarding}`
  if (!sameData(actual.tunnel, wanted.tunnel)) return `the tunnel to ${key} changes`
  if (!sameData(actual.checks, wanted.checks)) return `the check of ${key} changes`
  if (actual.onFailure !== wanted.onFailure) return `on-failure of ${key} changes`
  const limits = ({ upperThreshold, lowerThreshold }: WantedServer): string =>
    upperThreshold === 0 ? 'none' : `${upperThreshold}/${lowerThreshold}`
  if (limits(actual) !== limits(wanted))
    return `thresholds of ${key} change from ${limits(actual)} to ${limits(wanted)}`
  return `server ${key} changes`
}

function word(value: unknown): string {
  if (value === undefined) return 'none'
  if (typeof value === 'string') return value
  if (typeof value === 'object' && value !== null && 'address' in value && 'port' in value)
    return formatEndpoint({ address: String(value.address), port: Number(value.port) })
  return JSON.stringify(value)
}

/** What is said of a service beside where it is and how it chooses. */
function optionReasons(actual: Service, wanted: Service): string[] {
  const reasons: string[] = []
  const compare = (what: string, before: string, after: string): void => {
    if (before !== after) reasons.push(`${what} changes from ${before} to ${after}`)
  }
  const seconds = (value: number | undefined): string => (value === undefined ? 'none' : formatDuration(value * 1000))
  if (!sameData(actual.schedulerFlags, wanted.schedulerFlags))
    reasons.push(`scheduler flags change to ${wanted.schedulerFlags.join(' ') || 'none'}`)
  compare('persistence', persistenceWord(actual.persistence), persistenceWord(wanted.persistence))
  if (actual.onePacket !== wanted.onePacket) reasons.push(`one-packet is switched ${wanted.onePacket ? 'on' : 'off'}`)
  compare('idle timeout', seconds(actual.idleTimeoutSeconds), seconds(wanted.idleTimeoutSeconds))
  compare('PROXY protocol', actual.proxyProtocol ?? 'none', wanted.proxyProtocol ?? 'none')
  compare('ttl', seconds(actual.ttlSeconds), seconds(wanted.ttlSeconds))
  return [...reasons, ...applicationReasons(actual.application, wanted.application)]
}

function persistenceWord(persistence: Persistence | undefined): string {
  if (persistence === undefined) return 'none'
  const { timeoutSeconds, mask, engine } = persistence
  const whole = mask === '255.255.255.255' || mask === '128' ? [] : [`mask ${mask}`]
  return [formatDuration(timeoutSeconds * 1000), ...whole, ...(engine === undefined ? [] : [engine])].join(' ')
}

function applicationReasons(actual: Application | undefined, wanted: Application | undefined): string[] {
  if (actual?.kind !== wanted?.kind) {
    if (wanted === undefined) return [`${actual?.kind} is not read any more`]
    return [actual === undefined ? `${wanted.kind} is read` : `${wanted.kind} is read instead of ${actual.kind}`]
  }
  const certificates = (one: Application | undefined): unknown =>
    one !== undefined && 'certificates' in one && one.certificates
  const forwarded = (one: Application | undefined): unknown => one?.kind === 'http' && one.forwarded
  return [
    ...(sameData(actual?.rules, wanted?.rules) ? [] : [rulesReason(actual?.rules ?? [], wanted?.rules ?? [])]),
    ...(sameData(certificates(actual), certificates(wanted)) ? [] : ['its certificates change']),
    ...(sameData(forwarded(actual), forwarded(wanted)) ? [] : ['what servers are told of the way changes']),
  ]
}

function rulesReason(actual: readonly ContentRule[], wanted: readonly ContentRule[]): string {
  const has = (rules: readonly ContentRule[], rule: ContentRule): boolean => rules.some((one) => sameData(one, rule))
  const added = wanted.filter((rule) => !has(actual, rule)).length
  const removed = actual.filter((rule) => !has(wanted, rule)).length
  if (added === 0 && removed === 0) return 'its rules change their order'
  const parts = [...(added === 0 ? [] : [`${added} new`]), ...(removed === 0 ? [] : [`${removed} gone`])]
  return `its rules change: ${parts.join(', ')}`
}

/** Who is told of events, and where metrics are: without what may be secret in them. */
function outsideReasons(actual: ClusterServices, wanted: ClusterServices): string[] {
  const keys = ({ notify = [] }: ClusterServices): Map<string, unknown> =>
    new Map(notify.map((sink) => [canonicalText(sink), sink]))
  const { added, removed } = difference(keys(actual), keys(wanted), () => true)
  const parts = [
    ...(added.length === 0 ? [] : [`${added.length} new`]),
    ...(removed.length === 0 ? [] : [`${removed.length} gone`]),
  ]
  return [
    ...(parts.length === 0 ? [] : [`who is told of events changes: ${parts.join(', ')}`]),
    ...(sameData(actual.metrics, wanted.metrics)
      ? []
      : [`the address of metrics changes from ${word(actual.metrics)} to ${word(wanted.metrics)}`]),
  ]
}

function maintenanceReasons(actual: string | undefined, wanted: string | undefined): string[] {
  if (actual === wanted) return []
  return [`the maintenance directory changes from ${actual ?? 'none'} to ${wanted ?? 'none'}`]
}

function settingsReasons(actual: SettingsChange | undefined, wanted: SettingsChange | undefined): string[] {
  const values = (settings: SettingsChange | undefined): Map<string, number> =>
    new Map([...Object.entries(settings?.timeouts ?? {}), ...Object.entries(settings?.sysctls ?? {})])
  const found = difference(values(actual), values(wanted), (a, b) => a === b)
  return [
    ...found.added.map(({ key, wanted }) => `setting ${key} becomes ${wanted}`),
    ...found.changed.map(({ key, actual, wanted }) => `setting ${key} changes from ${actual} to ${wanted}`),
    ...found.removed.map(({ key }) => `setting ${key} goes back to its default`),
  ]
}
