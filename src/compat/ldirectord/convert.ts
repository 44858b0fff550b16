/** From an ldirectord.cf to a spec that says the same; what has no counterpart is said with its line. Pure. */
import { type ChosenEngine, checkEngine } from '../../cluster/spec/engine-check.ts'
import type { ClusterSpec, ServerSpec, ServiceSpec } from '../../cluster/spec/model.ts'
import { parseSpec } from '../../cluster/spec/parse.ts'
import { joinPath } from '../../cluster/spec/paths.ts'
import { printSpec } from '../../cluster/spec/print.ts'
import { canonicalText, sameData } from '../../difference.ts'
import { inetAton } from '../../formats/ipvsadm/values.ts'
import type {
  Fallback,
  Finding,
  Forward,
  Globals,
  LdirectordFile,
  Real,
  Virtual,
  Written,
} from '../../formats/ldirectord/model.ts'
import type { Report } from '../../formats/ldirectord/places.ts'
import type { CheckSpec } from '../../health/check.ts'
import {
  type Forwarding,
  formatEndpoint,
  type SchedulerName,
  type Service,
  type ServiceId,
  schedulerNames,
} from '../../lvs/service.ts'
import { type ConvertedChecks, convertChecks } from './check.ts'
import { type Company, reportGlobals, reportVirtual } from './left-out.ts'

export type Converted = {
  /** There if and only if no finding is an error. */
  readonly spec: ClusterSpec | undefined
  /** Those of the file itself first, in ldirectord's order. */
  readonly findings: readonly Finding[]
}

/**
 * `directory`: where relative paths begin, the root when left out. `engine`: when it is known, what it would refuse is an
 * error too. `company`: logs, mails and commands are seen to beside the director (`work/`), by a daemon that can leave
 * services to it, or in the director's own process.
 */
export type ConvertOptions = {
  readonly cluster: string
  readonly directory?: string
  readonly engine?: ChosenEngine
  readonly company?: Company
}

export function convertLdirectord(file: LdirectordFile, options: ConvertOptions): Converted {
  const findings = [...file.findings]
  const said = new Set<string>()
  const report: Report = (severity, line, message) => {
    const key = `${line} ${message}`
    if (!said.has(key)) findings.push({ severity, line, message })
    said.add(key)
  }
  reportGlobals(file.globals, options.company, report)
  const services: Record<string, ServiceSpec> = {}
  for (const virtual of file.virtuals) {
    const service = convertVirtual(virtual, file.globals, options, report)
    if (service === undefined) continue
    const checked = throughSpec(service, virtual.line, options.engine, report)
    if (checked !== undefined) services[service.name] = checked
  }
  const { maintenancedir } = file.globals
  const spec = specOf(
    options.cluster,
    services,
    maintenancedir === undefined ? undefined : joinPath(options.directory ?? '/', maintenancedir.value),
  )
  return { spec: findings.some(({ severity }) => severity === 'error') ? undefined : spec, findings }
}

function specOf(name: string, services: ClusterSpec['services'], maintenance?: string): ClusterSpec {
  return {
    name,
    hosts: { local: { name: 'local', hypervisor: 'qemu' } },
    images: {},
    guests: {},
    services,
    directors: { hosts: ['local'], engine: 'auto', ...(maintenance === undefined ? {} : { maintenance }) },
  }
}

/** What Baton's own file could not say is an error here, too: the service goes once through its text. */
export function throughSpec(
  service: ServiceSpec,
  line: number,
  engine: ChosenEngine | undefined,
  report: Report,
): ServiceSpec | undefined {
  const { spec, diagnostics } = parseSpec({
    file: 'ldirectord.cf',
    text: printSpec(specOf('ldirectord', { [service.name]: service })),
    environment: {},
    readInclude: () => undefined,
  })
  for (const { severity, message, hint } of diagnostics)
    report(severity, line, hint === undefined ? message : `${message} (${hint})`)
  if (spec !== undefined && engine !== undefined)
    checkEngine(
      spec,
      engine,
      () => ({ file: '', line, column: 1 }),
      ({ severity, message, hint }) => report(severity, line, hint === undefined ? message : `${message} (${hint})`),
    )
  return spec?.services[service.name]
}

const forwardings: Readonly<Record<Forward, Forwarding>> = { gate: 'direct', masq: 'masq', ipip: 'tunnel' }

function convertVirtual(
  written: Virtual,
  globals: Globals,
  { engine, company }: ConvertOptions,
  report: Report,
): ServiceSpec | undefined {
  reportVirtual(written, company, report)
  const virtual = { ...written, reals: onceEach(written, report) }
  const id = serviceId(virtual)
  const service = serviceOf(virtual, id, report)
  const checks = convertChecks({ virtual, globals, id, portOf: (real) => portOf(real, virtual), report })
  if (service === undefined || checks === undefined) return undefined
  const forwarding = forwardings[virtual.reals[0]?.forward ?? 'masq']
  if (checks === 'nobody')
    report('warning', virtual.checktype?.line ?? virtual.line, 'checktype=off: no server ever gets a connection')
  const fallback = fallbackOf(virtual, globals, engine, report)
  const command = (virtual.fallbackcommand ?? globals.fallbackcommand)?.value
  const isQuiescent = (virtual.quiescent ?? globals.quiescent)?.value === true
  return {
    name: nameOf(virtual),
    service,
    forwarding,
    ...serversOf(virtual, checks, isQuiescent, forwarding),
    onFailure: isQuiescent ? 'drain' : 'remove',
    ...(fallback === undefined ? {} : { fallback }),
    ...(command === undefined ? {} : { fallbackCommand: command }),
  }
}

/** `tcp-10-0-0-1-80`, `fwm-5`, `fwm6-5`: what ldirectord calls it, as a name. */
export function nameOf({ id, protocol, family }: Virtual): string {
  if (id.kind === 'mark') return `fwm${family === 'ipv6' ? '6' : ''}-${id.mark}`
  return `${protocol}-${id.address.replaceAll(/[.:]/g, '-')}-${id.port}`
}

function serviceId({ id, protocol, family }: Virtual): ServiceId {
  if (id.kind === 'mark') return { kind: 'fwmark', mark: id.mark, family }
  return { kind: 'address', protocol: protocol === 'udp' ? 'udp' : 'tcp', address: id.address, port: id.port }
}

function serviceOf(virtual: Virtual, id: ServiceId, report: Report): Service | undefined {
  const { ops, persistent, netmask, family } = virtual
  const scheduler = schedulerOf(virtual, report)
  if (ops?.value === true && virtual.protocol !== 'udp')
    report('warning', ops.line, 'ops goes with udp only, as with ldirectord')
  if (netmask !== undefined && persistent === undefined)
    report('warning', netmask.line, 'netmask goes with persistent only')
  const wrongTime = persistent?.value === 0 ? persistent : undefined
  if (wrongTime !== undefined) report('error', wrongTime.line, 'persistent: expected a second at least, found 0')
  const wrongMask = family === 'ipv4' && inetAton(netmask?.value ?? '0.0.0.0') === undefined ? netmask : undefined
  if (wrongMask !== undefined) report('error', wrongMask.line, `there is no netmask ${wrongMask.value}`)
  if (scheduler === undefined || wrongTime !== undefined || wrongMask !== undefined) return undefined
  const mask = netmask?.value ?? (family === 'ipv6' ? '128' : '255.255.255.255')
  return {
    id,
    scheduler,
    schedulerFlags: schedulerFlags(virtual.schedflags?.value, scheduler),
    ...(persistent === undefined ? {} : { persistence: { timeoutSeconds: persistent.value, mask } }),
    onePacket: ops?.value === true && virtual.protocol === 'udp',
  }
}

function schedulerOf({ scheduler }: Virtual, report: Report): SchedulerName | undefined {
  if (scheduler === undefined) return 'wrr'
  const known = schedulerNames.find((name) => name === scheduler.value)
  if (known === undefined)
    report(
      'error',
      scheduler.line,
      `there is no scheduler ${scheduler.value}: expected one of ${schedulerNames.join(' ')}`,
    )
  return known
}

/** As ipvsadm -b: sh and mh have names of their own for the first two. */
export function schedulerFlags(written: string | undefined, scheduler: SchedulerName): readonly string[] {
  const own = (flag: string): string =>
    scheduler !== 'sh' && scheduler !== 'mh'
      ? flag
      : flag.replace(/^flag-1$/, `${scheduler}-fallback`).replace(/^flag-2$/, `${scheduler}-port`)
  return written === undefined
    ? []
    : written
        .split(',')
        .filter((flag) => flag !== '')
        .map(own)
}

/** Where its connections go: packets that are not rewritten keep the port (ipvsadm(8), -g and -i). */
export function portOf(real: Pick<Real, 'port' | 'forward'>, { id }: Virtual): number {
  if (id.kind === 'mark') return real.port
  return real.port === 0 || real.forward !== 'masq' ? id.port : real.port
}

/** Of a server that is there twice the last one counts: ldirectord puts one after the other in the same place. */
function onceEach(virtual: Virtual, report: Report): readonly Real[] {
  const places = new Map<string, Real>()
  for (const real of virtual.reals) {
    const key = formatEndpoint({ address: real.address, port: portOf(real, virtual) })
    const before = places.get(key)
    if (before !== undefined)
      report('warning', before.line, `${key} is a server of this virtual again on line ${real.line}, which counts`)
    places.set(key, real)
  }
  return [...places.values()]
}

/** Where nobody is checked, those that are never up stand with weight 0 where what is down does, and nowhere otherwise. */
function serversOf(
  virtual: Virtual,
  checks: Exclude<ConvertedChecks, undefined>,
  isQuiescent: boolean,
  forwarding: Forwarding,
): Pick<ServiceSpec, 'servers' | 'checks'> {
  const servers = virtual.reals.map((real) => serverOf(real, virtual, forwarding))
  if (checks === 'all') return { servers, checks: [] }
  if (checks === 'nobody')
    return { servers: isQuiescent ? servers.map((server) => ({ ...server, weight: 0 })) : [], checks: [] }
  const common = commonest(checks)
  return {
    servers: servers.map((server, index) => {
      const check = checks[index]
      return check === undefined || sameData(check, common) ? server : { ...server, checks: [check] }
    }),
    checks: common === undefined ? [] : [common],
  }
}

/** What most servers have is the service's; the others say theirs. */
function commonest(checks: readonly CheckSpec[]): CheckSpec | undefined {
  const counts = new Map<string, { readonly check: CheckSpec; count: number }>()
  for (const check of checks) {
    const text = canonicalText(check)
    const known = counts.get(text) ?? { check, count: 0 }
    known.count += 1
    counts.set(text, known)
  }
  return [...counts.values()].reduce<{ readonly check?: CheckSpec; readonly count: number }>(
    (most, one) => (one.count > most.count ? one : most),
    { count: 0 },
  ).check
}

function serverOf(real: Real, virtual: Virtual, forwarding: Forwarding): ServerSpec {
  const own = forwardings[real.forward]
  const { lowerThreshold = 0, upperThreshold = 0 } = real
  return {
    kind: 'address',
    endpoint: { address: real.address, port: portOf(real, virtual) },
    weight: real.weight,
    ...(upperThreshold > 0 ? { upperThreshold } : {}),
    ...(lowerThreshold > 0 ? { lowerThreshold } : {}),
    ...(own === forwarding ? {} : { forwarding: own }),
  }
}

/** Where the engine can only rewrite packets, a fallback is reached so, at the port that it has in LVS. */
function fallbackOf(
  virtual: Virtual,
  globals: Globals,
  engine: ChosenEngine | undefined,
  report: Report,
): ServiceSpec['fallback'] {
  const common = virtual.family === 'ipv6' ? globals.fallback6 : globals.fallback
  const { id, fallback, line } = virtual
  if (fallback === undefined && common !== undefined && id.kind === 'mark') {
    report('warning', line, 'the fallback of all virtuals is none of a firewall mark: give it one of its own')
    return undefined
  }
  const found: Written<Fallback> | undefined = fallback ?? common
  if (found === undefined) return undefined
  const { address, port = 0, forward } = found.value
  const endpoint = { address, port: portOf({ port, forward }, virtual) }
  const forwarding = forwardings[forward]
  if (forwarding === 'masq') return endpoint
  if (engine === undefined || engine.capabilities.forwarding.includes(forwarding)) return { ...endpoint, forwarding }
  const place = formatEndpoint(endpoint)
  const reason = `the ${engine.name} engine cannot forward by ${forwarding}`
  report('warning', found.line, `the fallback of ${nameOf(virtual)} is reached by masq, at ${place}: ${reason}`)
  return endpoint
}
