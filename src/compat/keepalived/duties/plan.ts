/** What keepalived does beside its routers and servers: whom it tells of their changes. Plain data, and pure. */
import { commandOf, userOf } from '../../../formats/keepalived/instances.ts'
import type { Machine } from '../../../formats/keepalived/machine.ts'
import type { KeepalivedFile, Virtual } from '../../../formats/keepalived/model.ts'
import { type Entry, lastOf } from '../../../formats/keepalived/tree.ts'
import { formatEndpoint } from '../../../lvs/service.ts'
import { asUser } from '../as-user.ts'
import { hasAlpha } from '../check.ts'
import { idOf, nameOf, portOf } from '../convert.ts'

/** A program and its arguments. */
export type Argv = readonly string[]

/** Of an instance or a group. */
export type RouterNotices = {
  readonly name: string
  readonly master?: Argv
  readonly backup?: Argv
  readonly fault?: Argv
  readonly stop?: Argv
  /** Told what has happened by four more words. */
  readonly any?: Argv
  readonly isMailed: boolean
}

export type InstanceNotices = RouterNotices & {
  readonly group?: string
  /** As master, when another one of lower priority was heard. */
  readonly lower?: Argv
  /** Present where a file that has the instance no more is told of as DELETED, not as FAULT; with its own command. */
  readonly deleted?: { readonly argv?: Argv }
  /** Its changes of priority are written into the named pipes. */
  readonly tellsPriority: boolean
}
type GroupNotices = RouterNotices & { readonly members: readonly string[] }

type ServerNotices = {
  /** As keepalived writes it: `[10.0.0.2]:tcp:80`. */
  readonly shown: string
  readonly weight: number
  /** It counts as down until its checks have passed. */
  readonly isAlpha: boolean
  /** It stays in the table, with weight 0, when it fails. */
  readonly isKept: boolean
  readonly up?: Argv
  readonly down?: Argv
  readonly isMailed: boolean
}

export type VirtualNotices = {
  readonly shown: string
  readonly quorum: number
  readonly hysteresis: number
  readonly up?: Argv
  readonly down?: Argv
  /** Without its quorum another serves for it. */
  readonly hasSorry: boolean
  /** Its servers and it are told of as down when it stops. */
  readonly isOmega: boolean
  /** By the key that they have in the director. */
  readonly servers: ReadonlyMap<string, ServerNotices>
}

/** A named pipe that gets a line for each change; whoever reads it may be started with it. */
export type Fifo = { readonly path: string; readonly of: 'all' | 'vrrp' | 'lvs'; readonly script?: Argv }

type MailPlan = {
  readonly to: readonly string[]
  readonly from?: string
  readonly relay?: { readonly host: string; readonly port: number }
  readonly routerId?: string
}

export type NoticePlan = {
  readonly instances: ReadonlyMap<string, InstanceNotices>
  readonly groups: ReadonlyMap<string, GroupNotices>
  /** By the name that the service has in the director. */
  readonly virtuals: ReadonlyMap<string, VirtualNotices>
  readonly fifos: readonly Fifo[]
  /** Of servers that are up from the beginning, too. */
  readonly tellsBeginning: boolean
  readonly mail?: MailPlan
}

export function noticePlan({ entries, routers, virtuals }: KeepalivedFile, machine: Machine): NoticePlan {
  const globals = lastOf(entries, 'global_defs')?.entries ?? []
  const user = userOf(undefined, globals, machine)
  const commands: Commands = (inner, keyword) => {
    const entry = lastOf(inner, keyword)
    const argv = entry === undefined ? [] : commandOf(entry)
    return argv.length === 0 ? undefined : asUser(argv, user)
  }
  const mail = mailOf(globals)
  const mails = (inner: readonly Entry[], kind: 'vrrp' | 'checker'): boolean =>
    mail !== undefined &&
    (flag(inner, 'smtp_alert') ?? flag(globals, `smtp_alert_${kind}`) ?? flag(globals, 'smtp_alert') ?? false)
  return {
    instances: new Map(
      routers.instances.map(({ name, entries: inner }) => {
        const group = routers.groups.find(({ members }) => members.includes(name))?.name
        const notices = {
          ...routerNotices(name, inner, commands),
          ...given('lower', commands(inner, 'notify_master_rx_lower_pri')),
          ...given('deleted', deletedOf(inner, commands)),
          tellsPriority: flag(inner, 'notify_priority_changes') ?? stands(globals, 'vrrp_notify_priority_changes'),
          isMailed: mails(inner, 'vrrp'),
        }
        return [name, group === undefined ? notices : { ...notices, group }]
      }),
    ),
    groups: new Map(
      routers.groups.map(({ name, entries: inner, members }) => [
        name,
        { ...routerNotices(name, inner, commands), isMailed: mails(inner, 'vrrp'), members },
      ]),
    ),
    virtuals: new Map(
      virtuals.flatMap((virtual) =>
        // Of a group it is told once, as of one virtual server.
        virtual.places.slice(0, 1).map((place) => {
          const id = idOf(place, virtual)
          return [nameOf(id), virtualNotices(virtual, id, commands, (inner) => mails(inner, 'checker'))] as const
        }),
      ),
    ),
    fifos: (['notify', 'vrrp_notify', 'lvs_notify'] as const).flatMap((kind): Fifo[] => {
      const path = lastOf(globals, `${kind}_fifo`)?.words[0]
      const of = kind === 'notify' ? 'all' : kind === 'vrrp_notify' ? 'vrrp' : 'lvs'
      return path === undefined ? [] : [{ path, of, ...given('script', commands(globals, `${kind}_fifo_script`)) }]
    }),
    tellsBeginning: lastOf(globals, 'rs_init_notifies') !== undefined,
    ...given('mail', mail),
  }
}

type Commands = (entries: readonly Entry[], keyword: string) => Argv | undefined

function routerNotices(name: string, entries: readonly Entry[], commands: Commands): Omit<RouterNotices, 'isMailed'> {
  return {
    name,
    ...given('master', commands(entries, 'notify_master')),
    ...given('backup', commands(entries, 'notify_backup')),
    ...given('fault', commands(entries, 'notify_fault')),
    ...given('stop', commands(entries, 'notify_stop')),
    ...given('any', commands(entries, 'notify')),
  }
}

/** It needs no command. */
function deletedOf(entries: readonly Entry[], commands: Commands): { readonly argv?: Argv } | undefined {
  if (lastOf(entries, 'notify_deleted') === undefined) return undefined
  return given('argv', commands(entries, 'notify_deleted'))
}

function virtualNotices(
  virtual: Virtual,
  id: ReturnType<typeof idOf>,
  commands: Commands,
  mails: (entries: readonly Entry[]) => boolean,
): VirtualNotices {
  const protocol = id.kind === 'fwmark' ? 'none' : id.protocol
  return {
    shown:
      virtual.group !== undefined
        ? `[${virtual.group}]:0`
        : id.kind === 'fwmark'
          ? `FWM ${id.mark}`
          : `[${id.address}]:${protocol}:${id.port}`,
    quorum: virtual.quorum,
    hysteresis: virtual.hysteresis,
    ...given('up', commands(virtual.entries, 'quorum_up')),
    ...given('down', commands(virtual.entries, 'quorum_down')),
    hasSorry: virtual.sorry !== undefined,
    isOmega: stands(virtual.entries, 'omega'),
    servers: new Map(
      virtual.reals.map((real) => {
        const { address, port, weight, method, entries } = real
        const forwarding = (method ?? virtual.method).forward === 'NAT' ? 'masq' : 'direct'
        const key = formatEndpoint({ address, port: portOf(port, id, forwarding) })
        return [
          key,
          {
            shown: `[${address}]:${protocol}:${port}`,
            weight,
            isAlpha: real.checkers.some((checker) => hasAlpha(checker, real, virtual)),
            isKept: real.inhibit,
            ...given('up', commands(entries, 'notify_up')),
            ...given('down', commands(entries, 'notify_down')),
            isMailed: mails(entries),
          },
        ]
      }),
    ),
  }
}

function mailOf(globals: readonly Entry[]): MailPlan | undefined {
  const to = lastOf(globals, 'notification_email')?.entries.map(({ keyword }) => keyword) ?? []
  if (to.length === 0) return undefined
  const [host, port] = lastOf(globals, 'smtp_server')?.words ?? []
  const number = Number(port ?? 25)
  return {
    to,
    ...given('from', lastOf(globals, 'notification_email_from')?.words[0]),
    ...given('relay', host === undefined ? undefined : { host, port: Number.isInteger(number) ? number : 25 }),
    ...given('routerId', lastOf(globals, 'router_id')?.words[0]),
  }
}

/** It needs no value. */
function stands(entries: readonly Entry[], keyword: string): boolean {
  const entry = lastOf(entries, keyword)
  return entry !== undefined && entry.value !== false
}

function flag(entries: readonly Entry[], keyword: string): boolean | undefined {
  const value = lastOf(entries, keyword)?.value
  return typeof value === 'boolean' ? value : undefined
}

function given<K extends string, T>(key: K, value: T | undefined): { [P in K]?: T } {
  return value === undefined ? {} : ({ [key]: value } as { [P in K]?: T })
}
