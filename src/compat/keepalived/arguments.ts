/** keepalived's command line, read as getopt_long(3) reads it there. Pure. */

export type KeepalivedCall =
  | { readonly kind: 'help' | 'version' }
  /** `message`: on standard error; nothing else is done. */
  | { readonly kind: 'wrong'; readonly message: string }
  | { readonly kind: 'signal'; readonly name: string }
  /** `logFile`: where the findings go; standard error when left out. */
  | {
      readonly kind: 'test'
      readonly file: string
      readonly logFile?: string
      readonly configId?: string
      readonly allIncludes: boolean
    }
  | ({ readonly kind: 'start'; readonly file: string } & StartOptions)

export type StartOptions = {
  readonly configId?: string
  readonly allIncludes: boolean
  /** -P and -C: only its virtual routers, only its virtual servers. */
  readonly parts: 'all' | 'vrrp' | 'checkers'
  /** -n: it stays the process that was started. */
  readonly isForeground: boolean
  /** -l, -g, and the number of the facility local0 to local7 (-S). */
  readonly log: {
    readonly isConsole: boolean
    readonly file?: string
    readonly facility: number
    readonly isSilent: boolean
  }
  readonly dumps: boolean
  readonly pidFile: string
  /** Written beside it, when they are named. */
  readonly morePidFiles: readonly string[]
  readonly umask?: string
}

/** Options that say what is not done here, and what does it. */
const refused: Readonly<Record<string, string>> = {
  'dont-release-vrrp': 'addresses go with the daemon: `baton director handover` leaves them to another router in order',
  'dont-release-ipvs':
    'what it serves goes with the daemon: `baton director --config FILE` and `director stop --keep` let traffic go on',
  snmp: 'there is no SNMP agent: the control socket serves /metrics',
  'snmp-agent-socket': 'there is no SNMP agent: the control socket serves /metrics',
  namespace: 'it stays where it was started: ip netns exec NAME keepalived …',
  genhash: 'it must be the first word: keepalived --genhash …',
}

const defaultPidFile = '/run/keepalived.pid'

export const defaultFile = '/etc/keepalived/keepalived.conf'

/** Long names by their letters; `=` takes a word, `?` may take one that is glued on. */
const options: readonly (readonly [string, string, '' | '=' | '?'])[] = [
  ['f', 'use-file', '='],
  ['P', 'vrrp', ''],
  ['C', 'check', ''],
  ['B', 'no_bfd', ''],
  ['', 'all', ''],
  ['l', 'log-console', ''],
  ['D', 'log-detail', ''],
  ['S', 'log-facility', '='],
  ['g', 'log-file', '?'],
  ['', 'flush-log-file', '?'],
  ['G', 'no-syslog', ''],
  ['u', 'umask', '='],
  ['X', 'release-vips', ''],
  ['V', 'dont-release-vrrp', ''],
  ['I', 'dont-release-ipvs', ''],
  ['R', 'dont-respawn', ''],
  ['n', 'dont-fork', ''],
  ['d', 'dump-conf', ''],
  ['p', 'pid', '='],
  ['r', 'vrrp_pid', '='],
  ['T', 'genhash', ''],
  ['c', 'checkers_pid', '='],
  ['a', 'address-monitoring', ''],
  ['b', 'bfd_pid', '='],
  ['x', 'snmp', ''],
  ['A', 'snmp-agent-socket', '='],
  ['s', 'namespace', '='],
  ['m', 'core-dump', ''],
  ['M', 'core-dump-pattern', '?'],
  ['e', 'all-config', ''],
  ['i', 'config-id', '='],
  ['', 'signum', '='],
  ['t', 'config-test', '?'],
  ['v', 'version', ''],
  ['h', 'help', ''],
]

type Option = { readonly name: string; readonly value?: string }

export function readCall(words: readonly string[]): KeepalivedCall {
  const read = readOptions(words)
  if ('wrong' in read) return { kind: 'wrong', message: read.wrong }
  const last = (name: string): Option | undefined => read.options.findLast((option) => option.name === name)
  const first = read.options.find(({ name }) => name === 'help' || name === 'version' || name === 'signum')
  if (first?.name === 'help' || first?.name === 'version') return { kind: first.name }
  if (first !== undefined) return { kind: 'signal', name: first.value ?? '' }
  const file = last('use-file')?.value ?? defaultFile
  const test = last('config-test')
  const configId = last('config-id')?.value
  if (test === undefined) return startOf(file, configId, last)
  return {
    kind: 'test',
    file,
    allIncludes: last('all-config') !== undefined,
    ...(test.value === undefined ? {} : { logFile: test.value }),
    ...(configId === undefined ? {} : { configId }),
  }
}

function startOf(
  file: string,
  configId: string | undefined,
  last: (name: string) => Option | undefined,
): KeepalivedCall {
  const cannot = Object.entries(refused).find(([name]) => last(name) !== undefined)
  if (cannot !== undefined) return { kind: 'wrong', message: `--${cannot[0]}: ${cannot[1]}` }
  const isVrrp = last('vrrp') !== undefined && last('check') === undefined
  const isCheckers = last('check') !== undefined && last('vrrp') === undefined
  const facility = Number(last('log-facility')?.value ?? 1)
  if (!Number.isInteger(facility) || facility < 0 || facility > 7)
    return { kind: 'wrong', message: `Invalid log facility '${last('log-facility')?.value ?? ''}'` }
  const umask = last('umask')?.value
  if (umask !== undefined && !/^0?[0-7]{1,3}$/.test(umask))
    return { kind: 'wrong', message: `Invalid umask '${umask}'` }
  const log = last('log-file')
  return {
    kind: 'start',
    file,
    ...(configId === undefined ? {} : { configId }),
    allIncludes: last('all-config') !== undefined,
    parts: isVrrp ? 'vrrp' : isCheckers ? 'checkers' : 'all',
    isForeground: last('dont-fork') !== undefined,
    log: {
      isConsole: last('log-console') !== undefined,
      ...(log === undefined ? {} : { file: log.value ?? defaultLogFile }),
      facility,
      isSilent: last('no-syslog') !== undefined,
    },
    dumps: last('dump-conf') !== undefined,
    pidFile: last('pid')?.value ?? defaultPidFile,
    morePidFiles: ['vrrp_pid', 'checkers_pid', 'bfd_pid'].flatMap((name) => last(name)?.value ?? []),
    ...(umask === undefined ? {} : { umask }),
  }
}

const defaultLogFile = '/tmp/keepalived.log'

function readOptions(words: readonly string[]): { readonly options: readonly Option[] } | { readonly wrong: string } {
  const found: Option[] = []
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at] ?? ''
    if (word === '--') break
    const long = /^--([^=]+)(?:=(.*))?$/s.exec(word)
    if (long !== null) {
      const [, written = '', glued] = long
      const known = longOption(written)
      if (known === undefined) return { wrong: `Unknown option --${written}` }
      const [, name, takes] = known
      if (takes === '=' && glued === undefined) at += 1
      const value = takes === '' ? undefined : (glued ?? (takes === '=' ? words[at] : undefined))
      if (takes === '=' && value === undefined) return { wrong: `Missing parameter for option --${name}` }
      found.push({ name, ...(value === undefined ? {} : { value }) })
      continue
    }
    if (!/^-./.test(word)) return { wrong: `Unexpected argument(s): ${word}` }
    for (let letter = 1; letter < word.length; letter += 1) {
      const known = options.find(([short]) => short === word.charAt(letter))
      if (known === undefined) return { wrong: `Unknown option -${word.charAt(letter)}` }
      const [short, name, takes] = known
      if (takes === '') {
        found.push({ name })
        continue
      }
      const glued = word.slice(letter + 1)
      if (takes === '=' && glued === '') at += 1
      const value = glued === '' ? (takes === '=' ? words[at] : undefined) : glued
      if (takes === '=' && value === undefined) return { wrong: `Missing parameter for option -${short}` }
      found.push({ name, ...(value === undefined ? {} : { value }) })
      break
    }
  }
  return { options: found }
}

/** Any beginning that only one name has. */
function longOption(written: string): (typeof options)[number] | undefined {
  const exact = options.find(([, name]) => name === written)
  const begun = options.filter(([, name]) => name.startsWith(written))
  return exact ?? (begun.length === 1 ? begun[0] : undefined)
}

/** What `--signum` prints: SIGRTMAX - 1 clears the statistics, SIGRTMIN + 2 writes JSON (both as glibc numbers them). */
export const signals: Readonly<Record<string, number>> = {
  STOP: 15,
  RELOAD: 1,
  DATA: 10,
  STATS: 12,
  STATS_CLEAR: 63,
  JSON: 36,
}
