/** What an ldirectord.cf says: every directive as it was read, with the line on which it stands. Plain data. */
import type { Family } from '../../lvs/service.ts'

/** The last directive of a key counts, as in ldirectord. */
export type Written<T> = { readonly line: number; readonly value: T }

export type Forward = 'gate' | 'masq' | 'ipip'

/** `port` is undefined only in a global fallback without one: each virtual's own then. Addresses have no brackets. */
export type Fallback = { readonly address: string; readonly port?: number; readonly forward: Forward }

export const checkServices = [
  'dns', 'ftp', 'http', 'https', 'http_proxy', 'imap', 'imaps', 'ldap', 'ldaps', 'nntp', 'mysql', 'none', 'oracle', 'pop',
  'pops', 'radius', 'pgsql', 'sip', 'smtp', 'submission', 'simpletcp',
] as const // biome-ignore format: a list to read at a glance
export type CheckService = (typeof checkServices)[number]

export const checkTypes = ['connect', 'negotiate', 'ping', 'off', 'on', 'external', 'external-perl'] as const
/** `combined`: one negotiate check, then so many connects. */
export type CheckType = { readonly kind: (typeof checkTypes)[number] | 'combined'; readonly connects?: number }

export type NumberKey =
  | 'checktimeout'
  | 'negotiatetimeout'
  | 'checkinterval'
  | 'checkcount'
  | 'failurecount'
  | 'emailalertfreq'
export type FlagKey = 'quiescent' | 'cleanstop'
export type TextKey = 'fallbackcommand' | 'emailalert' | 'emailalertstatus' | 'smtp'

type Keys<K extends string, T> = { readonly [P in K]?: Written<T> }

/** What stands in the whole file or in one virtual, and there comes first. */
export type Common = Keys<NumberKey, number> & Keys<FlagKey, boolean> & Keys<TextKey, string>

export type GlobalFlagKey = 'readdquiescent' | 'autoreload' | 'fork' | 'supervised'
export type GlobalTextKey = 'callback' | 'logfile' | 'emailalertfrom' | 'maintenancedir'

export type Globals = Common &
  Keys<GlobalFlagKey, boolean> &
  Keys<GlobalTextKey, string> & {
    readonly fallback?: Written<Fallback>
    readonly fallback6?: Written<Fallback>
    readonly execute: readonly Written<string>[]
  }

export type VirtualTextKey =
  | 'checkcommand'
  | 'request'
  | 'receive'
  | 'virtualhost'
  | 'login'
  | 'passwd'
  | 'database'
  | 'secret'
  | 'load'
  | 'scheduler'
  | 'schedflags'
  | 'netmask'
  | 'monitorfile'
  | 'servicename'
  | 'comment'

/** A request that is a whole URL of its service: asked there, in place of the server. */
export type CheckUrl = {
  readonly host: string
  /** undefined: nobody knows the host. */
  readonly address: string | undefined
  readonly port: number
  readonly path: string
}

export type Real = {
  readonly line: number
  readonly address: string
  /** 0: none was written. */
  readonly port: number
  readonly forward: Forward
  readonly weight: number
  /** `request` begins with a slash. */
  readonly exchange?: { readonly request: string; readonly receive: string; readonly url?: CheckUrl }
  readonly lowerThreshold?: number
  readonly upperThreshold?: number
}

export type VirtualAddress =
  | { readonly kind: 'address'; readonly address: string; readonly port: number }
  | { readonly kind: 'mark'; readonly mark: number }

export type Virtual = Common &
  Keys<VirtualTextKey, string> &
  Keys<'checkport' | 'persistent', number> &
  Keys<'ops', boolean> & {
    readonly line: number
    readonly family: Family
    readonly id: VirtualAddress
    readonly protocol: 'tcp' | 'udp' | 'fwm'
    readonly checktype?: Written<CheckType>
    /** As written, or by the port; `none` for marks and ports that have none. */
    readonly service: CheckService
    readonly httpmethod?: Written<'GET' | 'HEAD'>
    readonly fallback?: Written<Fallback>
    readonly reals: readonly Real[]
  }

/** `message` is ldirectord's own text. */
export type Finding = { readonly severity: 'error' | 'warning'; readonly line: number; readonly message: string }

/** Errors in the order in which ldirectord comes to them: the first is the one that it ends with. */
export type LdirectordFile = {
  readonly globals: Globals
  /** Those without an error. */
  readonly virtuals: readonly Virtual[]
  readonly findings: readonly Finding[]
}

/** What hosts(5), DNS and services(5) know; `protocol` undefined: of any. */
export type LdirectordNames = {
  host(name: string, family: Family): string | undefined
  port(name: string, protocol: 'tcp' | 'udp' | undefined): number | undefined
  /** This machine's, for the passwords and users that ldirectord makes up. */
  readonly hostName: string
}
