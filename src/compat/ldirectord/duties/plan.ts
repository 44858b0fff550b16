/** What is left of an ldirectord.cf when its services are a director's: logs, mails, commands. Plain data, and pure. */
import type { ClusterServices, WantedServer } from '../../../director/control.ts'
import type { Globals, LdirectordFile, Real, Virtual } from '../../../formats/ldirectord/model.ts'
import { virtualKey } from '../../../formats/ldirectord/parse.ts'
import { formatEndpoint, realServerKey } from '../../../lvs/service.ts'
import { nameOf, portOf } from '../convert.ts'

/** What the daemon is at; mails are sent in some states only. */
export const daemonStates = ['starting', 'running', 'stopping', 'reloading'] as const
export type DaemonState = (typeof daemonStates)[number]

export type MailSettings = {
  readonly to: readonly string[]
  /** Repeated as often while a server is down; 0: not at all. */
  readonly everySeconds: number
  readonly states: readonly DaemonState[]
  /** The relay; undefined: this machine's own sendmail. */
  readonly relay: string | undefined
  readonly serviceName: string | undefined
  readonly comment: string | undefined
}

export type FollowedServer = {
  /** `10.9.0.1:8080`, as ldirectord names it: with the port as written. */
  readonly shown: string
  readonly weight: number
  readonly isChecked: boolean
  /** Its fields in a monitorfile. */
  readonly identity: string
}

export type FollowedService = {
  /** `10.0.0.1:80`, or the number of the mark; and with the protocol before it. */
  readonly shown: string
  readonly id: string
  /** By the key that they have in the director. */
  readonly servers: ReadonlyMap<string, FollowedServer>
  /** The key of the fallback, when it is no server. */
  readonly fallback: string | undefined
  /** A server that fails stays with weight 0. */
  readonly isQuiescent: boolean
  readonly monitorFile: string | undefined
  /** Whether it ends with the daemon. */
  readonly isCleaned: boolean
  readonly mail: MailSettings
}

export type WorkPlan = {
  /** By the name that they have in the director. */
  readonly services: ReadonlyMap<string, FollowedService>
  /** As written; undefined when nothing is. */
  readonly logfile: string | undefined
  readonly intervalMs: number
  readonly reloadsByItself: boolean
  readonly callback: string | undefined
  readonly mailFrom: string | undefined
  /** The files of other instances that live with this one. */
  readonly others: readonly string[]
  readonly isSupervised: boolean
}

const defaultIntervalSeconds = 10

export function workPlan({ globals, virtuals }: LdirectordFile, wanted: ClusterServices): WorkPlan {
  const written = new Map(virtuals.map((virtual) => [nameOf(virtual), virtual]))
  const services = new Map(
    wanted.services.flatMap((service) => {
      const virtual = written.get(service.name)
      return virtual === undefined ? [] : [[service.name, followed(virtual, globals, service)] as const]
    }),
  )
  return {
    services,
    logfile: globals.logfile?.value,
    intervalMs: (globals.checkinterval?.value ?? defaultIntervalSeconds) * 1000,
    reloadsByItself: globals.autoreload?.value === true,
    callback: globals.callback?.value,
    mailFrom: globals.emailalertfrom?.value,
    others: [...new Set(globals.execute.map(({ value }) => value))],
    isSupervised: globals.supervised?.value === true,
  }
}

function followed(virtual: Virtual, globals: Globals, wanted: ClusterServices['services'][number]): FollowedService {
  const id = virtualKey(virtual)
  const written = new Map(virtual.reals.map((real) => [keyOf(real, virtual), real]))
  const servers = new Map(
    wanted.servers.flatMap((server) => {
      const key = realServerKey(server)
      const real = written.get(key)
      return real === undefined ? [] : [[key, followedServer(real, server, virtual, wanted.checks.length)] as const]
    }),
  )
  const fallback = wanted.fallback === undefined ? undefined : realServerKey(wanted.fallback)
  return {
    shown: id.slice(id.indexOf(':') + 1),
    id,
    servers,
    fallback: fallback === undefined || servers.has(fallback) ? undefined : fallback,
    isQuiescent: wanted.onFailure === 'drain',
    monitorFile: virtual.monitorfile?.value,
    isCleaned: (virtual.cleanstop ?? globals.cleanstop)?.value ?? true,
    mail: mailSettings(virtual, globals),
  }
}

const keyOf = (real: Real, virtual: Virtual): string =>
  formatEndpoint({ address: real.address, port: portOf(real, virtual) })

function followedServer(real: Real, server: WantedServer, virtual: Virtual, checks: number): FollowedServer {
  const { address, port, weight } = real
  return {
    shown: formatEndpoint({ address, port: port === 0 ? server.port : port }),
    weight,
    isChecked: (server.checks?.length ?? checks) > 0,
    identity: identityOf(real, virtual),
  }
}

/** ldirectord's identity of a check as its monitorfile has it: colons are blanks, a run of them one, backslashes are gone. */
function identityOf(real: Real, virtual: Virtual): string {
  const { checktype, service, checkcommand, protocol, virtualhost, checkport } = virtual
  const kind = checktype?.value.kind ?? 'negotiate'
  const what =
    kind === 'negotiate' || kind === 'combined'
      ? `${kind}:${service}`
      : kind === 'external' || kind === 'external-perl'
        ? `${kind}:${checkcommand?.value ?? '/bin/true'}`
        : kind
  const address = real.address.includes(':') ? `[${real.address}]` : real.address
  const text = [
    what, protocol, address, real.port, virtualhost?.value ?? '', checkport?.value ?? '', real.weight, real.forward,
    quotemeta(real.exchange?.request ?? virtual.request?.value ?? '/'),
    quotemeta(real.exchange?.receive ?? virtual.receive?.value ?? ''),
  ].join(':') // biome-ignore format: the fields in their order
  return text.replaceAll(/:+/g, ' ').replaceAll('\\', '')
}

/** Perl's: a backslash before everything but letters, digits and underscores. */
const quotemeta = (text: string): string => text.replaceAll(/[^A-Za-z0-9_]/g, '\\$&')

function mailSettings(virtual: Virtual, globals: Globals): MailSettings {
  const to = (virtual.emailalert ?? globals.emailalert)?.value ?? ''
  const states = (virtual.emailalertstatus ?? globals.emailalertstatus)?.value ?? 'all'
  return {
    to: to.split(',').flatMap((address) => address.trim() || []),
    everySeconds: (virtual.emailalertfreq ?? globals.emailalertfreq)?.value ?? 0,
    states: statesOf(states),
    relay: (virtual.smtp ?? globals.smtp)?.value,
    serviceName: virtual.servicename?.value || undefined,
    comment: virtual.comment?.value || undefined,
  }
}

function statesOf(written: string): readonly DaemonState[] {
  const words = written.split(/\s*,\s*/)
  return words.includes('all') ? daemonStates : daemonStates.filter((state) => words.includes(state))
}
