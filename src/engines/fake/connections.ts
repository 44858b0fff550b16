/** The connection table of the in-memory IPVS: connections and persistence templates with their timers, as in ip_vs_conn.c. */
import type { ConnectionState } from '../../lvs/connection-state.ts'
import { firstTimeoutSeconds, isActiveState } from '../../lvs/connection-state.ts'
import { invalidPort, postponedSeconds, type TemplateKey } from '../../lvs/persistence.ts'
import { type Endpoint, type Forwarding, formatEndpoint, type Protocol } from '../../lvs/service.ts'
import type { Told } from '../../lvs/telling.ts'
import { type Timed, Timers } from '../../lvs/timers.ts'
import type { InstalledServer } from './services.ts'

export type ConnectionParts = {
  readonly protocol: Protocol | 'ip'
  readonly client: Endpoint
  readonly service: Endpoint
  readonly server: Endpoint
  /** Where it is counted; none with cache_bypass. */
  readonly on: InstalledServer | undefined
  readonly by: Forwarding | 'bypass'
  readonly kind: 'connection' | 'one-packet' | 'template'
  readonly callId?: string | undefined
  /** Of the service that it came by, where that has one. */
  readonly mark?: number
}

export class Entry implements Timed {
  readonly protocol: Protocol | 'ip'
  readonly client: Endpoint
  service: Endpoint
  server: Endpoint
  on: InstalledServer | undefined
  by: Forwarding | 'bypass'
  readonly kind: ConnectionParts['kind']
  readonly callId: string | undefined
  readonly mark: number
  state: ConnectionState
  isActive = false
  /** No reply has been seen, as is usual with direct routing and tunnels. */
  isInputOnly: boolean
  isAssured = false
  /** Its template, and the number of connections under it when it is one. */
  control: Entry | undefined
  controls = 0
  timeoutMs = firstTimeoutSeconds * 1000
  expiresAtMs = Number.POSITIVE_INFINITY
  queuedAtMs = Number.POSITIVE_INFINITY
  /** From the client. */
  packets = 0
  /** To backups. */
  told: Told = { state: 'NONE', endsMs: 0, retries: 0 }
  /** The next newer one with the same client and server. */
  olderReply: Entry | undefined

  constructor(parts: ConnectionParts) {
    this.protocol = parts.protocol
    this.client = parts.client
    this.service = parts.service
    this.server = parts.server
    this.on = parts.on
    this.by = parts.by
    this.kind = parts.kind
    this.callId = parts.callId
    this.mark = parts.mark ?? markOf(parts.on)
    this.state = parts.protocol === 'udp' && parts.kind !== 'template' ? 'UDP' : 'NONE'
    this.isInputOnly = parts.by !== 'masq' && parts.by !== 'bypass'
  }

  get isTemplate(): boolean {
    return this.kind === 'template'
  }

  /** Of a template that is found by nobody any more. */
  get isNameless(): boolean {
    return this.isTemplate && this.service.port === invalidPort
  }
}

function markOf(on: InstalledServer | undefined): number {
  const id = on?.service.service.id
  return id?.kind === 'fwmark' ? id.mark : 0
}

const connectionKey = (protocol: Protocol, client: Endpoint, service: Endpoint): string =>
  `${protocol} ${formatEndpoint(client)} ${formatEndpoint(service)}`
const templateName = ({ protocol, client, service }: TemplateKey, callId = ''): string =>
  `template ${protocol} ${client} ${formatEndpoint(service)} ${callId}`

export class Connections {
  /** All that stand, in the order in which they began. */
  readonly all = new Set<Entry>()
  readonly #timers = new Timers<Entry>()
  readonly #byKey = new Map<string, Entry>()
  readonly #byReply = new Map<string, Entry>()

  get nextMs(): number {
    return this.#timers.nextMs
  }

  find(protocol: Protocol, client: Endpoint, service: Endpoint): Entry | undefined {
    return this.#byKey.get(connectionKey(protocol, client, service))
  }

  /** The newest connection between them. Servers whose packets are not translated answer from the service's address. */
  findReply(protocol: Protocol, source: Endpoint, client: Endpoint): Entry | undefined {
    return this.#byReply.get(connectionKey(protocol, client, source))
  }

  findTemplate(key: TemplateKey, callId: string | undefined): Entry | undefined {
    return this.#byKey.get(templateName(key, callId))
  }

  /** Its timer starts with the first `restart`. One-packet connections are found by nobody. */
  open(parts: ConnectionParts): Entry {
    const entry = new Entry(parts)
    if (entry.kind !== 'one-packet') this.all.add(entry)
    this.#link(entry)
    entry.on?.bind(entry.isTemplate)
    return entry
  }

  /** One that was taken over before its real server came; its forwarding is that server's from now on. */
  bind(entry: Entry, on: InstalledServer): void {
    this.#unlink(entry)
    entry.on = on
    entry.by = on.server.forwarding
    entry.isInputOnly = entry.by !== 'masq'
    this.#link(entry)
    on.bind(entry.isTemplate)
    if (entry.isActive) on.activate(true)
  }

  control(entry: Entry, template: Entry): void {
    entry.control = template
    template.controls += 1
  }

  /** Its state and, by that, whether it is active. */
  become(entry: Entry, state: ConnectionState): void {
    if (entry.protocol === 'ip' || state === entry.state) return
    entry.state = state
    const isActive = isActiveState(entry.protocol, state)
    if (isActive !== entry.isActive) {
      entry.isActive = isActive
      entry.on?.activate(isActive)
    }
    if (state === 'ESTABLISHED') assure(entry)
  }

  restart(entry: Entry, nowMs: number): void {
    if (entry.kind === 'one-packet') this.#close(entry)
    else this.#timers.set(entry, nowMs + entry.timeoutMs)
  }

  /** Ends it when time next moves, unless it controls others. */
  expireNow(entry: Entry, nowMs: number): void {
    if (entry.expiresAtMs > nowMs) this.#timers.set(entry, nowMs)
  }

  /** A template whose server cannot be used any more is found by nobody, and waits for its end. */
  invalidate(template: Entry): void {
    if (template.isNameless) return
    this.#unlink(template)
    template.service = { ...template.service, port: invalidPort }
    template.server = { ...template.server, port: invalidPort }
  }

  /** What is over at `nowMs`. A template that still controls connections gets a minute more, each time. */
  expire(nowMs: number): void {
    for (let entry = this.#timers.take(nowMs); entry !== undefined; entry = this.#timers.take(nowMs)) {
      if (entry.controls === 0) this.#close(entry)
      else {
        entry.timeoutMs = postponedSeconds * 1000
        this.#timers.set(entry, nowMs + entry.timeoutMs)
      }
    }
  }

  /** Takes it away before its time, if it is not yet, with its template when that is of no more use. */
  drop(entry: Entry): void {
    if (entry.controls > 0 || !this.all.has(entry)) return
    const { control } = entry
    this.#close(entry)
    if (control !== undefined && control.controls === 0 && !control.isAssured) this.drop(control)
  }

  #close(entry: Entry): void {
    this.#timers.clear(entry)
    this.all.delete(entry)
    this.#unlink(entry)
    if (entry.control !== undefined) entry.control.controls -= 1
    entry.on?.unbind(entry.isTemplate, entry.isActive)
  }

  #link(entry: Entry): void {
    if (entry.kind !== 'one-packet') this.#byKey.set(keyOf(entry), entry)
    if (entry.kind !== 'connection') return
    const key = replyKeyOf(entry)
    entry.olderReply = this.#byReply.get(key)
    this.#byReply.set(key, entry)
  }

  #unlink(entry: Entry): void {
    const key = keyOf(entry)
    if (this.#byKey.get(key) === entry) this.#byKey.delete(key)
    if (entry.kind === 'connection') this.#unlinkReply(entry)
  }

  #unlinkReply(entry: Entry): void {
    const key = replyKeyOf(entry)
    let newer: Entry | undefined
    for (let at = this.#byReply.get(key); at !== undefined; newer = at, at = at.olderReply) {
      if (at !== entry) continue
      if (newer !== undefined) newer.olderReply = at.olderReply
      else if (at.olderReply !== undefined) this.#byReply.set(key, at.olderReply)
      else this.#byReply.delete(key)
      return
    }
  }
}

/** Its client has been served: drop_entry spares the template from now on. */
export function assure({ control }: Entry): void {
  if (control !== undefined) control.isAssured = true
}

function keyOf({ protocol, client, service, isTemplate, callId }: Entry): string {
  if (isTemplate || protocol === 'ip') return templateName({ protocol, client: client.address, service }, callId)
  return connectionKey(protocol, client, service)
}

function replyKeyOf({ protocol, client, service, server, by }: Entry): string {
  return protocol === 'ip' ? '' : connectionKey(protocol, client, by === 'masq' ? server : service)
}
