/**
 * ldirectord.cf as ldirectord 4.12 reads it: global lines in the first column, blocks of four blanks and more, every
 * error at once.
 */
import type { Family } from '../../lvs/service.ts'
import { applyGlobal, type GlobalsDraft, type VirtualDraft, virtualApplier } from './directives.ts'
import type {
  CheckService,
  Finding,
  Globals,
  LdirectordFile,
  LdirectordNames,
  Real,
  Virtual,
  VirtualAddress,
} from './model.ts'
import {
  hostAddress,
  portNumber,
  type Report,
  readFallback,
  readReal,
  resolveFallback,
  type WrittenFallback,
} from './places.ts'

/** Some patterns take the square of a line's length. */
const maxLine = 4096

/** Never throws, whatever the text is. */
export function parseLdirectord(text: string, names: LdirectordNames): LdirectordFile {
  const findings: Finding[] = []
  const said = new Set<string>()
  let errors = 0
  const report: Report = (severity, line, message) => {
    const key = `${line} ${message}`
    if (said.has(key)) return
    said.add(key)
    findings.push({ severity, line, message })
    if (severity === 'error') errors += 1
  }
  const lines = text.split('\n').map((line, index) => {
    if (line.length <= maxLine || isComment(line)) return line
    report('error', index + 1, `longer than any line: ${maxLine} characters`)
    return '#'
  })
  const draft: GlobalsDraft = { execute: [] }
  const virtuals: Virtual[] = []
  const seen = new Set<string>()
  const applyVirtual = virtualApplier(names.hostName)
  for (let at = 0; at < lines.length; ) {
    const written = lines[at] ?? ''
    const head = /^virtual(6)?\s*=\s*(.*)/s.exec(written)
    if (head === null) {
      readGlobal(draft, written, at + 1, names, report)
      at += 1
      continue
    }
    const family: Family = head[1] === undefined ? 'ipv4' : 'ipv6'
    const end = blockEnd(lines, at + 1)
    const errorsBefore = errors
    const place = readPlace(head[2] ?? '', family, at + 1, report)
    const block = readBlock({ lines, begin: at, end, family, place, apply: applyVirtual, report })
    const virtual = resolve(block, names, report)
    const key = virtual === undefined ? undefined : virtualKey(virtual)
    // ldirectord has read one line more by then; what ends the file without a block, it reads a second time.
    if (key !== undefined && (seen.has(key) || isLast(lines, at)))
      report('error', lineAfter(lines, end), 'duplicate virtual server')
    if (key !== undefined) seen.add(key)
    if (virtual !== undefined && errors === errorsBefore) virtuals.push(virtual)
    at = end
  }
  return { globals: draft, virtuals: sensible(draft, virtuals, report), findings }
}

function isLast(lines: readonly string[], at: number): boolean {
  return at === lines.length - 1 || (at === lines.length - 2 && lines.at(-1) === '')
}

/** A text that ends with its last line has nothing after it. */
function lineAfter(lines: readonly string[], end: number): number {
  const last = lines.at(-1) === '' ? lines.length - 1 : lines.length
  return Math.min(end + 1, last)
}

/** `tcp:10.0.0.1:80`, `fwm:5`, `fwm6:5`. */
export function virtualKey({ id, protocol, family }: Pick<Virtual, 'id' | 'protocol' | 'family'>): string {
  if (id.kind === 'mark') return `fwm${family === 'ipv6' ? '6' : ''}:${id.mark}`
  return `${protocol}:${family === 'ipv6' ? `[${id.address}]` : id.address}:${id.port}`
}

function readGlobal(draft: GlobalsDraft, written: string, line: number, names: LdirectordNames, report: Report): void {
  if (/^\s*(#|$)/.test(written)) return
  const fallback = /^(fallback6?)\s*=\s*(.*)/s.exec(written)
  if (fallback !== null) {
    const key = fallback[1] === 'fallback6' ? 'fallback6' : 'fallback'
    const read = readFallback(fallback[2] ?? '', line, report)
    if (read === undefined) return
    const family = key === 'fallback6' ? 'ipv6' : 'ipv4'
    // It is looked up for both protocols, whichever virtuals there are.
    for (const protocol of ['udp', 'tcp'] as const) {
      const value = resolveFallback(read, protocol, family, names)
      if ('refused' in value) report('error', line, value.refused)
      else draft[key] = { line, value }
    }
    return
  }
  const said = applyGlobal(draft, written, line)
  if (said === 'unknown') report('error', line, `Unknown command ${written.trimEnd()}`)
  else if (said !== undefined) report(said.severity, line, said.message)
}

const isComment = (line: string): boolean => /^\s*#/.test(line)

/** What is left of a line of a block: tabs are four blanks, and from the first # on nothing counts. */
const uncommented = (line: string): string => line.replace(/#.*/s, '').replaceAll('\t', '    ')
const blockLine = /^ {4,}(.+)/s

/** The index of the first line that is no longer of the block. */
function blockEnd(lines: readonly string[], from: number): number {
  let end = from
  while (end < lines.length) {
    const line = lines[end] ?? ''
    if (!isComment(line) && !blockLine.test(uncommented(line))) break
    end += 1
  }
  return end
}

/** Where clients come, as written: names are looked up when the protocol is known. */
type Place = { readonly host: string; readonly port: string } | { readonly mark: number }

function readPlace(value: string, family: Family, line: number, report: Report): Place | undefined {
  const named = /^([0-9A-Za-z._+-]+):([0-9A-Za-z_-]+)/.exec(value)
  if (named !== null) return { host: named[1] ?? '', port: named[2] ?? '' }
  const digits = /^[0-9]+/.exec(value)
  if (digits !== null) {
    const mark = Number(digits[0])
    if (!/^[0-9]+\s*(#|$)/.test(value))
      report('warning', line, `${value.trim()} is read as the firewall mark ${mark}, as by ldirectord: it has no port`)
    return { mark }
  }
  const bracketed = /^(\[[0-9A-Fa-f:]+\]):([0-9A-Za-z_-]+)/.exec(value)
  if (bracketed === null) report('error', line, 'invalid address for virtual server')
  else if (family === 'ipv4')
    report('error', line, 'cannot specify an IPv6 address here. please use "virtual6" instead.')
  else if (hostAddress(bracketed[1] ?? '', family, noNames) === undefined)
    report('error', line, 'invalid ipv6 address for virtual server')
  else return { host: bracketed[1] ?? '', port: bracketed[2] ?? '' }
  return undefined
}

const noNames: LdirectordNames = { host: () => undefined, port: () => undefined, hostName: '' }

type BlockInput = {
  readonly lines: readonly string[]
  /** The line of virtual=, from 0. */
  readonly begin: number
  readonly end: number
  readonly family: Family
  readonly place: Place | undefined
  readonly apply: ReturnType<typeof virtualApplier>
  readonly report: Report
}
type Block = {
  readonly draft: VirtualDraft
  readonly place: Place | undefined
  readonly fallback: { readonly line: number; readonly read: WrittenFallback } | undefined
  readonly reals: readonly { readonly line: number; readonly value: string }[]
}

function readBlock({ lines, begin, end, family, place, apply, report }: BlockInput): Block {
  const isMark = place !== undefined && 'mark' in place
  const isDns = place !== undefined && 'port' in place && /^(53|domain)$/.test(place.port)
  const draft: VirtualDraft = { line: begin + 1, family, protocol: isMark ? 'fwm' : isDns ? 'udp' : 'tcp' }
  const reals: { line: number; value: string }[] = []
  let fallback: Block['fallback']
  const mine = family === 'ipv4' ? '' : '6'
  for (let at = begin + 1; at < end; at += 1) {
    const line = at + 1
    const written = lines[at] ?? ''
    const command = isComment(written) ? undefined : blockLine.exec(uncommented(written))?.[1]
    if (command === undefined) continue
    const [, name, six = '', value = ''] = /^(real|fallback)(6)?\s*=\s*(.*)/s.exec(command) ?? []
    if (name !== undefined && six !== mine)
      report('error', line, `cannot specify "${name}${six}" here.  please use "${name}${mine}" instead`)
    else if (name === 'real') reals.push({ line, value })
    else if (name === 'fallback') {
      const read = readFallback(value, line, report)
      if (read !== undefined) fallback = { line, read }
    } else {
      const said = apply(draft, command, line)
      if (said === 'unknown') report('error', line, `Unknown command "${written.trimEnd()}"`)
      else if (said !== undefined) report(said.severity, line, said.message)
    }
  }
  return { draft, place, fallback, reals }
}

/** The names of a block are looked up at its end: the fallback's, its own, its real servers'. */
function resolve(
  { draft, place, fallback, reals }: Block,
  names: LdirectordNames,
  report: Report,
): Virtual | undefined {
  const { family, protocol, line } = draft
  const ownPort = place === undefined ? undefined : 'mark' in place ? '0' : place.port
  let found: Virtual['fallback']
  if (fallback !== undefined) {
    const { read } = fallback
    const value = resolveFallback({ ...read, port: read.port ?? ownPort }, protocol, family, names)
    if ('refused' in value) report('error', fallback.line, value.refused)
    else found = { line: fallback.line, value }
  }
  const id = place === undefined ? undefined : resolvePlace(place, draft, names)
  if (place !== undefined && id === undefined) report('error', line, 'invalid address for virtual service')
  const service = draft.service ?? (id?.kind === 'address' ? serviceOf(id.port) : 'none')
  const servers: Real[] = reals.flatMap((real) =>
    readReal(real.value, { line: real.line, family, service, names, report }),
  )
  if (id === undefined) return undefined
  return { ...draft, id, service, reals: servers, ...(found === undefined ? {} : { fallback: found }) }
}

function resolvePlace(
  place: Place,
  { family, protocol }: VirtualDraft,
  names: LdirectordNames,
): VirtualAddress | undefined {
  if ('mark' in place) return { kind: 'mark', mark: place.mark }
  const address = hostAddress(place.host, family, names)
  const port = portNumber(place.port, protocol, names)
  return address === undefined || port === undefined ? undefined : { kind: 'address', address, port }
}

const servicePorts: Readonly<Partial<Record<CheckService, number>>> = {
  ftp: 21,
  smtp: 25,
  dns: 53,
  http: 80,
  pop: 110,
  nntp: 119,
  imap: 143,
  ldap: 389,
  https: 443,
  submission: 587,
  ldaps: 636,
  imaps: 993,
  pops: 995,
  oracle: 1521,
  radius: 1812,
  http_proxy: 3128,
  mysql: 3306,
  sip: 5060,
  pgsql: 5432,
}

/** Where a service is checked when neither the virtual nor the server has a port. */
export function standardPort(service: CheckService): number | undefined {
  return servicePorts[service]
}

function serviceOf(port: number): CheckService {
  const [service = 'none'] = Object.entries(servicePorts).find(([, own]) => own === port) ?? []
  return service as CheckService
}

/** Said at the end of the file, of all virtuals. */
function sensible({ fork }: Globals, virtuals: readonly Virtual[], report: Report): readonly Virtual[] {
  if (fork?.value === true) return virtuals
  for (const virtual of virtuals)
    if (virtual.checkinterval !== undefined)
      report(
        'warning',
        virtual.checkinterval.line,
        `checkinterval in virtual service ${virtualKey(virtual)} ignored when fork=no`,
      )
  return virtuals
}
