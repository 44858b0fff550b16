/** The keywords of virtual servers, their real servers, and the checks. */
import { longestWide, readInteger, type Table } from '../keyword.ts'
import { marks, readEndpoint } from '../places.ts'
import {
  block,
  choice,
  choiceOfAnyCase,
  command,
  commandOnce,
  flag,
  integer,
  longest,
  maxInt,
  maxUnsigned,
  optional,
  seconds,
  words,
} from './kinds.ts'

const microsecond = 1e-6
/** 31 days of seconds. */
const longestPersistence = 2_678_400

/** What each check has but BFD_CHECK and FILE_CHECK. */
const repeated: Table = {
  retry: integer(0, maxUnsigned, "Invalid retry connection value '$'"),
  delay_before_retry: seconds(0, longestWide, "Invalid delay_before_retry connection value '$'"),
  warmup: seconds(0, longestWide, "Invalid warmup connection value '$'"),
  delay_loop: seconds(microsecond, longestWide, "delay_loop '$' is invalid - ignoring"),
  alpha: flag('Invalid alpha parameter $'),
  log_all_failures: flag('Invalid log_all_failures parameter $'),
}

const connecting: Table = {
  ...repeated,
  connect_ip: words(),
  connect_port: integer(1, 65_535, "Invalid checker connect_port '$'"),
  bindto: words(),
  bind_if: words({ longest: 15, wrong: 'Interface name $ is too long - ignoring' }),
  bind_port: integer(1, 65_535, "Invalid checker bind_port '$'"),
  connect_timeout: seconds(microsecond, longest, 'connect_timeout $ invalid - ignoring'),
  fwmark: integer(0, maxUnsigned, "Invalid fwmark connection value '$'"),
}

const url: Table = {
  path: words(),
  digest: words(),
  status_code: optional,
  virtualhost: words({ missing: 'Missing HTTP_GET virtualhost name' }),
  regex: words({ missing: 'regex missing or too many fields' }),
  regex_no_match: optional,
  regex_options: words(),
  regex_min_offset: integer(0, maxUnsigned, 'Invalid regex_min_offset $ specified', {
    missing: 'Missing or too may options for regex_min_offset',
  }),
  regex_max_offset: integer(0, maxUnsigned, 'Invalid regex_max_offset $ specified', {
    missing: 'Missing or too may options for regex_max_offset',
  }),
  regex_stack: words({ needs: 3, missing: 'regex_stack requires start and max values' }),
}

const http: Table = {
  ...connecting,
  nb_get_retry: words({ says: "nb_get_retry is deprecated - please use 'retry'" }),
  http_protocol: choice(
    ['1.0', '1.0C', '1.0c', '1.1'],
    'Invalid http_protocol version $',
    'Missing http_protocol version',
  ),
  fast_recovery: flag('Invalid fast_recovery parameter $'),
  virtualhost: words({ missing: 'HTTP_GET virtualhost name missing' }),
  enable_sni: flag('Invalid enable_sni parameter $'),
  url: block(url),
}

const checkers: Table = {
  TCP_CHECK: block(connecting),
  HTTP_GET: block(http),
  SSL_GET: block(http),
  SMTP_CHECK: block({
    ...connecting,
    helo_name: words({ missing: 'SMTP_CHECK helo name missing' }),
    host: block(connecting),
  }),
  DNS_CHECK: block({
    ...connecting,
    type: choiceOfAnyCase(
      ['A', 'NS', 'CNAME', 'SOA', 'MX', 'TXT', 'AAAA', 'RRSIG', 'DNSKEY'],
      'Unknown DNS check type $ - ignoring',
    ),
    name: words(),
  }),
  UDP_CHECK: block({
    ...connecting,
    payload: words({ missing: 'UDP_CHECK payload requires a payload' }),
    require_reply: optional,
    min_reply_length: integer(0, 65_535, 'UDP_CHECK min length $ not valid - must be between 0 & 65535'),
    max_reply_length: integer(0, 65_535, 'UDP_CHECK max length $ not valid - must be between 0 & 65535'),
  }),
  PING_CHECK: block(connecting),
  MISC_CHECK: block({
    ...repeated,
    misc_path: command,
    misc_timeout: integer(0, Math.floor(longest), "Invalid misc_timeout value '$'"),
    misc_dynamic: flag(),
    user: words(),
  }),
  BFD_CHECK: block({ name: words(), alpha: flag('Invalid alpha parameter $') }),
  FILE_CHECK: block({ track_file: words(), weight: words({ missing: 'track file weight missing' }) }),
}

/** What may stand in a virtual server for all of its real servers, and in each. */
const shared = (of: 'virtual' | 'real'): Table => ({
  delay_loop: seconds(
    microsecond,
    longestWide,
    of === 'virtual'
      ? "virtual server delay loop '$' invalid - ignoring"
      : "real server delay_loop '$' invalid - ignoring",
  ),
  connect_timeout: seconds(microsecond, longest, `${of} server connect_timeout $ invalid - ignoring`),
  delay_before_retry: seconds(
    0,
    longestWide,
    of === 'virtual'
      ? "virtual server delay before retry '$' invalid - ignoring"
      : "real server delay_before_retry '$' invalid - ignoring",
  ),
  warmup: seconds(0, longestWide, `${of} server warmup '$' invalid - ignoring`),
  retry: integer(1, maxUnsigned, 'retry value invalid - $'),
  alpha: flag('Invalid alpha parameter $'),
  inhibit_on_failure: flag('Invalid inhibit_on_failure parameter $'),
  smtp_alert: flag(`Invalid ${of}_server smtp_alert parameter $`),
  virtualhost: words({ missing: `${of} server virtualhost missing` }),
  snmp_name: words({ missing: `${of} server snmp_name missing or extra parameters` }),
  lvs_method: words(),
})

const realServer: Table = {
  ...shared('real'),
  ...checkers,
  weight: integer(0, maxInt, 'Real server weight $ is outside range 0-2147483647'),
  uthreshold: integer(0, maxUnsigned, "Invalid real_server uthreshold '$' - ignoring"),
  lthreshold: integer(0, maxUnsigned, "Invalid real_server lthreshold '$' - ignoring"),
  notify_up: commandOnce('((null)) notify_up script already specified - ignoring $'),
  notify_down: commandOnce('((null)) notify_down script already specified - ignoring $'),
}

const virtualServer: Table = {
  ...shared('virtual'),
  alpha: optional,
  ip_family: choice(['inet', 'inet6'], 'unknown address family $'),
  lb_kind: words(),
  lb_algo: words(),
  lvs_sched: words(),
  hashed: flag(),
  'flag-1': flag(),
  'flag-2': flag(),
  'flag-3': flag(),
  'sh-port': flag(),
  'sh-fallback': flag(),
  'mh-port': flag(),
  'mh-fallback': flag(),
  ops: flag(),
  persistence_engine: words(),
  persistence_timeout: integer(1, longestPersistence, 'persistence_timeout invalid', { bare: 360 }),
  persistence_granularity: words(),
  protocol: choice(['TCP', 'UDP', 'SCTP', 'tcp', 'udp', 'sctp'], 'Unknown protocol $ - ignoring'),
  ha_suspend: flag(),
  weight: integer(1, maxInt, 'Virtual server weight $ is outside range 1-2147483647'),
  omega: flag(),
  quorum: integer(1, maxUnsigned, 'Quorum $ must be in [1, 4294967295]. Setting to 1.', { instead: 1 }),
  hysteresis: integer(0, maxUnsigned, 'Hysteresis $ must be in [0, 4294967295] - ignoring'),
  quorum_up: commandOnce('((null)) quorum_up script already specified - ignoring $'),
  quorum_down: commandOnce('((null)) quorum_down script already specified - ignoring $'),
  sorry_server: words(),
  sorry_server_inhibit: flag(),
  sorry_server_lvs_method: words(),
  real_server: block(realServer, { needs: 1, isPassedOver: (written) => !isEndpoint(written) }),
}

function isEndpoint([host = '', port]: readonly string[]): boolean {
  return readEndpoint(host, port, { file: '', line: 0 }, () => undefined) !== undefined
}

export const checkTables: Table = {
  virtual_server: block(virtualServer, {
    needs: 1,
    isPassedOver: ([first = '', ...rest]) =>
      first === 'fwmark'
        ? typeof readInteger(rest[0] ?? '', marks) === 'string'
        : first !== 'group' && !isEndpoint([first, ...rest]),
  }),
  virtual_server_group: { kind: 'list', needs: 1, isStrict: true },
  SSL: block({ password: words(), ca: words(), certificate: words(), key: words() }),
}

export const checkerNames: readonly string[] = Object.keys(checkers)
