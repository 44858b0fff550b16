/** One directive at a time: how its value is read, and what ldirectord says when it cannot be. */
import type { Common, Finding, FlagKey, GlobalFlagKey, Globals, GlobalTextKey, NumberKey, TextKey } from './model.ts'
import { checkServices, checkTypes, type Virtual, type VirtualTextKey, type Written } from './model.ts'

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/** A virtual while its block is read: the names in it are looked up at its end, when its protocol is known. */
export type VirtualDraft = Mutable<Omit<Virtual, 'id' | 'reals' | 'fallback' | 'service'>> & {
  service?: Virtual['service']
}
export type GlobalsDraft = Mutable<Omit<Globals, 'execute'>> & { execute: Written<string>[] }

/** What came of a value: nothing when it was taken. */
type Said = Omit<Finding, 'line'> | undefined
type Directive<Draft> = { readonly pattern: RegExp; apply(this: void, draft: Draft, value: string, line: number): Said }
type CommonDraft = Mutable<Common>

const refused = (message: string): Said => ({ severity: 'error', message })
const anyValue = (key: string): RegExp => new RegExp(`^${key}\\s*=\\s*(.*)`, 's')
const quoted = (key: string): RegExp => new RegExp(`^${key}\\s*=\\s*"(.*)"`, 's')

/** ldirectord takes the first digits anywhere in a value. */
function firstNumber(value: string): number | undefined {
  const digits = /[0-9]+/.exec(value)
  return digits === null ? undefined : Number(digits[0])
}

/** As Perl has it, 00 is not nothing; `isAboveZero`: but it is not above it. */
function positive(key: NumberKey, message: string, isAboveZero = false): Directive<CommonDraft> {
  return {
    pattern: anyValue(key),
    apply(draft, value, line) {
      const [digits = '0'] = /[0-9]+/.exec(value) ?? []
      const number = Number(digits)
      if (digits === '0' || (isAboveZero && number === 0)) return refused(message)
      draft[key] = { line, value: number }
      return key === 'checkcount' ? { severity: 'warning', message: deprecatedCount } : undefined
    },
  }
}

const deprecatedCount = "checkcount option is deprecated and slated for removal.  please see 'failurecount'"

function flag<K extends FlagKey | GlobalFlagKey | 'ops'>(
  key: K,
): Directive<Partial<Record<K, Written<boolean> | undefined>>> {
  return {
    pattern: anyValue(key),
    apply(draft, value, line) {
      if (value !== 'yes' && value !== 'no') return refused(`${key} must be 'yes' or 'no'`)
      draft[key] = { line, value: value === 'yes' }
      return undefined
    },
  }
}

/** `message`: what is said of an empty value; left out, it may be empty. */
function text<K extends TextKey | GlobalTextKey | VirtualTextKey>(
  key: K,
  pattern: RegExp,
  message?: string,
): Directive<Partial<Record<K, Written<string> | undefined>>> {
  return {
    pattern,
    apply(draft, value, line) {
      if (value === '' && message !== undefined) return refused(message)
      draft[key] = { line, value }
      return undefined
    },
  }
}

const obsolete = (key: string, message: string): Directive<unknown> => ({
  pattern: anyValue(key),
  apply: () => refused(message),
})

const noConnectTimeout = obsolete('connecttimeout', 'connecttimeout directive deprecated in favour of negotiatetimeout')

const alertStates = ['all', 'none', 'starting', 'running', 'stopping', 'reloading']

/** What has the same rules in both places. */
const common: readonly Directive<CommonDraft>[] = [
  flag('quiescent'),
  flag('cleanstop'),
  {
    pattern: anyValue('emailalert'),
    apply(draft, written, line) {
      const value = written.replace(/^"([^"]*)"$/, '$1')
      if (value === '') return refused('no email address specified')
      draft.emailalert = { line, value }
      return undefined
    },
  },
  {
    pattern: /^emailalertfreq\s*=\s*([0-9]*)/,
    apply(draft, value, line) {
      if (value === '') return refused('invalid email alert frequency')
      draft.emailalertfreq = { line, value: Number(value) }
      return undefined
    },
  },
  {
    pattern: anyValue('emailalertstatus'),
    apply(draft, value, line) {
      const states = value.replace(/(\s*,\s*)+$/, '').split(/\s*,\s*/)
      if (value === '') states.pop()
      for (const state of states.filter((state) => state !== 'none')) {
        if (!alertStates.includes(state)) return refused(`invalid email alert status at: "${state}"`)
        if (states.includes('none')) return refused(`invalid email alert status: "${state}" specified with "none"`)
      }
      draft.emailalertstatus = { line, value }
      return undefined
    },
  },
  {
    pattern: anyValue('smtp'),
    apply(draft, value, line) {
      const host = /^[0-9A-Za-z._+-]+/.exec(value)
      if (host === null) return refused('invalid SMTP server address')
      draft.smtp = { line, value: host[0] }
      return undefined
    },
  },
]

/** A key that may stand with and without quotes: with them first. */
const withOrWithout = (key: 'checkcommand' | 'fallbackcommand' | 'monitorfile', message?: string) =>
  [text(key, quoted(key), message), text(key, anyValue(key), message)] as const

const globalDirectives: readonly Directive<GlobalsDraft>[] = [
  positive('checktimeout', 'invalid check timeout value', true),
  noConnectTimeout,
  positive('negotiatetimeout', 'invalid negotiate timeout value', true),
  positive('checkinterval', 'invalid check interval value'),
  positive('checkcount', 'invalid check count value'),
  positive('failurecount', 'invalid failure count value'),
  text('fallbackcommand', anyValue('fallbackcommand'), 'invalid fallback command'),
  flag('autoreload'),
  text('callback', quoted('callback')),
  text('logfile', quoted('logfile')),
  {
    pattern: anyValue('execute'),
    apply(draft, value, line) {
      draft.execute.push({ line, value })
      return undefined
    },
  },
  flag('fork'),
  {
    pattern: /^supervised(.*)/s,
    apply(draft, rest, line) {
      const [, value] = /^\s*=\s*(yes|no)$/.exec(rest) ?? []
      const isBare = rest.trim() === ''
      if (value === undefined && !isBare) return refused("supervised must be 'yes' or 'no'")
      draft.supervised = { line, value: value !== 'no' }
      return isBare
        ? { severity: 'warning', message: 'please update your config not to use a bare supervised directive' }
        : undefined
    },
  },
  flag('readdquiescent'),
  text('emailalertfrom', anyValue('emailalertfrom'), 'no email from address specified'),
  text('maintenancedir', anyValue('maintenancedir'), 'maintenance directory not specified'),
  obsolete('timeout', 'timeout directive deprecated in favour of checktimeout and negotiatetimeout'),
  ...common,
]

const checkTypeError =
  'checktype must be "connect", "negotiate", "on", "off", "ping", "external", "external-perl" or a positive number'

const serviceError =
  'service must be dns, ftp, http, https, http_proxy, imap, imaps, ldap, ldaps, mysql, nntp, none, oracle, pop, pops, ' +
  'radius, pgsql, simpletcp, sip, smtp or submission'

/** The directives of a block whose values are words of a list. */
const choices: readonly Directive<VirtualDraft>[] = [
  {
    pattern: anyValue('checktype'),
    apply(draft, value, line) {
      const connects = firstNumber(value)
      if (connects !== undefined) {
        draft.checktype = { line, value: { kind: 'combined', connects } }
        return undefined
      }
      const word = /[\w-]+/.exec(value)?.[0]
      const kind = checkTypes.find((type) => type === word)
      if (kind === undefined) return refused(checkTypeError)
      draft.checktype = { line, value: { kind } }
      return undefined
    },
  },
  {
    pattern: anyValue('protocol'),
    apply(draft, value) {
      const word = /\w+/.exec(value)?.[0]
      if (word === undefined) return refused('invalid protocol')
      if (draft.protocol === 'fwm')
        return word === 'fwm'
          ? undefined
          : refused('protocol must be fwm if the virtual service is a fwmark (a number)')
      if (word !== 'tcp' && word !== 'udp')
        return refused('protocol must be tcp or udp if the virtual service is an address and port')
      draft.protocol = word
      return undefined
    },
  },
  {
    pattern: anyValue('httpmethod'),
    apply(draft, value, line) {
      const method = /\w+/.exec(value)?.[0].toUpperCase()
      if (method !== 'GET' && method !== 'HEAD') return refused('httpmethod must be GET or HEAD')
      draft.httpmethod = { line, value: method }
      return undefined
    },
  },
  {
    pattern: anyValue('scheduler'),
    apply(draft, value, line) {
      const word = /[a-z]+/.exec(value)?.[0]
      if (word === undefined) return refused('invalid scheduler, should be only lowercase letters (a-z)')
      draft.scheduler = { line, value: word }
      return undefined
    },
  },
]

/** The directive `service`, for the machine of this name: ftp and sip make up who asks, unless that is said before. */
function serviceDirective(hostName: string): Directive<VirtualDraft> {
  return {
    pattern: anyValue('service'),
    apply(draft, value, line) {
      const word = /\w+/.exec(value)?.[0]
      const service = checkServices.find((name) => name === word)
      if (service === undefined) return refused(serviceError)
      draft.service = service
      const self = `ldirectord@${hostName}`
      if (service === 'ftp') draft.login ??= { line, value: 'anonymous' }
      if (service === 'sip') draft.login ??= { line, value: self }
      if (service === 'ftp') draft.passwd ??= { line, value: self }
      return undefined
    },
  }
}

/** Numbers and words of a block that have rules of their own. */
const particular: readonly Directive<VirtualDraft>[] = [
  {
    pattern: quoted('request'),
    apply(draft, value, line) {
      if (value === '') return refused('no request string specified')
      draft.request = { line, value: withSlash(value) }
      return undefined
    },
  },
  {
    pattern: anyValue('checkport'),
    apply(draft, value, line) {
      const port = firstNumber(value)
      if (port === undefined) return refused('invalid port')
      if (port < 1 || port > 65_535) return refused('checkport must be in range 1..65536')
      draft.checkport = { line, value: port }
      return undefined
    },
  },
  {
    pattern: anyValue('persistent'),
    apply(draft, value, line) {
      const seconds = firstNumber(value)
      if (seconds === undefined) return refused('invalid persistent timeout')
      draft.persistent = { line, value: seconds }
      return undefined
    },
  },
  {
    pattern: anyValue('schedflags'),
    apply(draft, value, line) {
      const word = /\S+/.exec(value)?.[0]
      if (word === undefined) return refused('invalid sched-flags')
      draft.schedflags = { line, value: word }
      return undefined
    },
  },
  {
    pattern: anyValue('netmask'),
    apply(draft, value, line) {
      const isPrefix = /^[0-9]+$/.test(value) && Number(value) >= 1 && Number(value) <= 128
      if (draft.family === 'ipv6' && !isPrefix)
        return refused('invalid netmask: a prefix length between 1 and 128 is required')
      if (draft.family === 'ipv4' && !/^[0-9]+(\.[0-9]+){3}$/.test(value))
        return refused('invalid netmask: dotted quad notation is required')
      draft.netmask = { line, value }
      return undefined
    },
  },
  {
    pattern: anyValue('virtualhost'),
    apply(draft, value, line) {
      draft.virtualhost = { line, value: /"?([^"]*)"?/.exec(value)?.[1] ?? '' }
      return undefined
    },
  },
]

function virtualDirectives(hostName: string): readonly Directive<VirtualDraft>[] {
  return [
    ...particular,
    ...choices,
    serviceDirective(hostName),
    text('receive', quoted('receive'), 'invalid receive string'),
    ...withOrWithout('checkcommand', 'invalid check command'),
    positive('checktimeout', 'invalid check timeout'),
    noConnectTimeout,
    positive('negotiatetimeout', 'invalid negotiate timeout'),
    positive('checkcount', 'invalid check count'),
    positive('failurecount', 'invalid failure count'),
    positive('checkinterval', 'invalid checkinterval'),
    text('login', quoted('login'), 'invalid login string'),
    text('passwd', quoted('passwd'), 'invalid password'),
    text('database', quoted('database'), 'invalid database'),
    text('secret', quoted('secret'), 'invalid secret'),
    text('load', quoted('load'), 'invalid string for load testing'),
    flag('ops'),
    ...withOrWithout('fallbackcommand', 'invalid fallback command'),
    ...withOrWithout('monitorfile'),
    text('servicename', anyValue('servicename')),
    text('comment', anyValue('comment')),
    ...common,
  ]
}

export function withSlash(request: string): string {
  return request.startsWith('/') ? request : `/${request}`
}

/** `unknown`: no directive begins so. */
type Apply<Draft> = (draft: Draft, command: string, line: number) => Said | 'unknown'

function applier<Draft>(directives: readonly Directive<Draft>[]): Apply<Draft> {
  return (draft, command, line) => {
    for (const { pattern, apply } of directives) {
      const value = pattern.exec(command)?.[1]
      if (value !== undefined) return apply(draft, value, line)
    }
    return 'unknown'
  }
}

/** Every global directive but `virtual` and `fallback`. */
export const applyGlobal: Apply<GlobalsDraft> = applier(globalDirectives)

/** Every directive of a block but `real` and `fallback`. */
export function virtualApplier(hostName: string): Apply<VirtualDraft> {
  return applier(virtualDirectives(hostName))
}
