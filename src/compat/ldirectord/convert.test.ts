import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { ClusterSpec, ServiceSpec } from '../../cluster/spec/model.ts'
import { parseSpec } from '../../cluster/spec/parse.ts'
import { printSpec } from '../../cluster/spec/print.ts'
import type { EngineName } from '../../engines/engine.ts'
import { capabilitiesOf } from '../../engines/open.ts'
import type { LdirectordNames } from '../../formats/ldirectord/model.ts'
import { parseLdirectord } from '../../formats/ldirectord/parse.ts'
import { type Converted, convertLdirectord } from './convert.ts'
import { translatePattern } from './pattern.ts'

/** The names of the lab's files are known. */
const ports: Readonly<Record<string, number>> = { http: 80, domain: 53 }
const hosts: Readonly<Record<string, string>> = {
  localhost: '127.0.0.1',
  alpha: '10.9.0.1',
  'alpha.lab': '10.9.0.1',
  'beta.lab': '10.9.0.2',
  'vip.lab': '10.0.0.9',
  'six.lab': 'fd09::1',
}
const names: LdirectordNames = { host: (name) => hosts[name], port: (name) => ports[name], hostName: 'here' }
const emptySpec: ClusterSpec = {
  name: 'empty',
  hosts: {},
  images: {},
  guests: {},
  services: {},
  directors: { hosts: [], engine: 'auto' },
}

function convert(lines: readonly string[], engine?: EngineName): Converted {
  const can = engine === undefined ? undefined : capabilitiesOf(engine)
  const file = parseLdirectord(`${lines.join('\n')}\n`, names)
  return convertLdirectord(file, { cluster: 'shop', directory: '/etc', ...(can === undefined ? {} : { engine: can }) })
}
const said = ({ findings }: Converted): string[] =>
  findings.map(({ severity, line, message }) => `${severity === 'warning' ? 'warning ' : ''}${line}: ${message}`)

const real = 'real=10.9.0.1:80 masq'

/** The one service of a file with this block; the head may be another than 10.0.0.1:80. */
function service(block: readonly string[], head = 'virtual=10.0.0.1:80', globals: readonly string[] = []): ServiceSpec {
  const converted = convert([...globals, head, ...block.map((line) => `    ${line}`)])
  const [only] = Object.values(converted.spec?.services ?? {})
  if (only === undefined) throw new Error(said(converted).join('\n'))
  return only
}

describe('an ldirectord.cf as a spec', () => {
  test('everything of a virtual arrives', () => {
    const lines = [
      'checkinterval=3',
      'quiescent=yes',
      'virtual=10.0.0.1:80',
      '    real=10.9.0.1:8080 masq 5 l:3 u:9',
      '    real=10.9.0.2:8080 masq 0',
      '    scheduler=sh',
      '    schedflags=flag-1,sh-port',
      '    persistent=600',
      '    netmask=255.255.255.0',
      '    fallback=127.0.0.1:81 masq',
      '    request="ok"',
      '    receive="up"',
      '    virtualhost=www.shop',
      '    failurecount=4',
    ]
    const converted = convert(lines)
    expect(said(converted)).toEqual([])
    expect(converted.spec?.services['tcp-10-0-0-1-80']).toEqual({
      name: 'tcp-10-0-0-1-80',
      service: {
        id: { kind: 'address', protocol: 'tcp', address: '10.0.0.1', port: 80 },
        scheduler: 'sh',
        schedulerFlags: ['sh-fallback', 'sh-port'],
        persistence: { timeoutSeconds: 600, mask: '255.255.255.0' },
        onePacket: false,
      },
      forwarding: 'masq',
      servers: [
        {
          kind: 'address',
          endpoint: { address: '10.9.0.1', port: 8080 },
          weight: 5,
          upperThreshold: 9,
          lowerThreshold: 3,
        },
        { kind: 'address', endpoint: { address: '10.9.0.2', port: 8080 }, weight: 0 },
      ],
      checks: [
        {
          probe: { kind: 'http', path: '/ok', host: 'www.shop', status: [[200, 299]], body: 'up', redirects: 7 },
          everyMs: 3000,
          timeoutMs: 30_000,
          rise: 1,
          fall: 4,
        },
      ],
      onFailure: 'drain',
      fallback: { address: '127.0.0.1', port: 81 },
    })
  })

  test('the spec says the same after it was printed and read', () => {
    const lines = [
      'virtual=10.0.0.1:443',
      `    real=10.9.0.1->10.9.0.4:443 masq`,
      '    receive="a$"',
      'virtual6=7',
      '    checktype=on',
    ]
    const { spec } = convert([...lines, '    real6=[fd00::1] masq'])
    if (spec === undefined) throw new Error('there is no spec')
    const text = printSpec(spec)
    const read = parseSpec({ file: 'baton.yaml', text, environment: {}, readInclude: () => undefined })
    expect(read.spec).toEqual(spec)
  })

  const folder = join(import.meta.dirname, '../../../labs/ldirectord/configs')
  const configs = readdirSync(folder).filter((name) => !/^(wrong|strict)-/.test(name))
  test.each(configs)('%s says the same after it was printed and read', (name) => {
    const converted = convert(readFileSync(join(folder, name), 'utf8').split('\n'))
    expect(said(converted).filter((text) => !text.startsWith('warning'))).toEqual([])
    const text = printSpec(converted.spec ?? emptySpec)
    const read = parseSpec({ file: 'baton.yaml', text, environment: {}, readInclude: () => undefined })
    expect(read.diagnostics.filter(({ severity }) => severity === 'error')).toEqual([])
    expect(read.spec).toEqual(converted.spec)
  })

  test.each([
    { globals: [], block: [], connect: 5, negotiate: 30 },
    { globals: ['checktimeout=3'], block: [], connect: 3, negotiate: 3 },
    { globals: ['checktimeout=3', 'negotiatetimeout=4'], block: [], connect: 3, negotiate: 4 },
    { globals: ['checktimeout=3', 'negotiatetimeout=4'], block: ['negotiatetimeout=7'], connect: 7, negotiate: 7 },
    { globals: ['negotiatetimeout=4'], block: ['checktimeout=6'], connect: 6, negotiate: 6 },
  ])('timeouts by $globals and $block are $connect s and $negotiate s', ({ globals, block, connect, negotiate }) => {
    const timeout = (...more: string[]): number | undefined =>
      service([real, ...block, ...more], undefined, globals).checks[0]?.timeoutMs
    expect(timeout('checktype=connect')).toBe(connect * 1000)
    expect(timeout()).toBe(negotiate * 1000)
  })

  test.each([
    { block: ['checktype=connect'], probe: { kind: 'tcp' } },
    { block: ['checktype=connect', 'protocol=udp'], probe: { kind: 'ping' } },
    { block: ['checktype=ping'], probe: { kind: 'ping' } },
    {
      block: ['checktype=external', 'checkcommand="/bin/x"'],
      probe: {
        kind: 'external',
        command: { argv: ['/bin/x'] },
        positional: true,
        service: { address: '10.0.0.1', port: 80 },
      },
    },
    { block: ['checktype=external-perl', 'checkcommand=/x.pl'], probe: { command: { argv: ['perl', '/x.pl'] } } },
    { block: ['service=https', 'httpmethod=HEAD'], probe: { kind: 'http', method: 'HEAD', tls: { verify: false } } },
    { block: ['service=http_proxy', 'request="http://a/b"'], probe: { kind: 'http-proxy', url: 'http://a/b' } },
    { block: ['service=smtp'], probe: { kind: 'smtp' } },
    { block: ['service=submission'], probe: { kind: 'submission' } },
    { block: ['service=pop', 'login="a"', 'passwd="b"'], probe: { kind: 'pop3', login: { user: 'a', password: 'b' } } },
    { block: ['service=imaps'], probe: { kind: 'imap', tls: { verify: false } } },
    {
      block: ['service=ftp', 'request="welcome.msg"', 'receive="test"'],
      probe: {
        kind: 'ftp',
        login: { user: 'anonymous', password: 'ldirectord@here' },
        path: '/welcome.msg',
        body: 'test',
      },
    },
    {
      block: ['service=ldaps', 'login="cn=a"', 'passwd="b"', 'request="dc=x"', 'receive="^dc"'],
      probe: {
        kind: 'ldap',
        login: { user: 'cn=a', password: 'b' },
        base: 'dc=x',
        pattern: '^dc',
        tls: { verify: false },
      },
    },
    { block: ['service=nntp'], probe: { kind: 'nntp' } },
    {
      block: ['service=dns', 'request="www.shop"', 'receive="10[.]"', 'protocol=udp'],
      probe: { kind: 'dns', name: 'www.shop', type: 'A', transport: 'udp', pattern: '10[.]' },
    },
    {
      block: ['service=dns', 'request="10.1.2.3"', 'receive="x"'],
      probe: { kind: 'dns', name: '3.2.1.10.in-addr.arpa', type: 'PTR', transport: 'tcp', pattern: 'x' },
    },
    {
      block: ['service=mysql', 'login="a"', 'passwd="b"', 'database="d"', 'request="SELECT 1"'],
      probe: { kind: 'mysql', login: { user: 'a', password: 'b' }, database: 'd', query: 'SELECT 1' },
    },
    { block: ['service=sip', 'protocol=udp'], probe: { kind: 'sip', transport: 'udp', user: 'ldirectord@here' } },
    {
      block: ['service=radius', 'login="a"', 'passwd="b"', 'secret="c"'],
      probe: {
        kind: 'radius',
        login: { user: 'a', password: 'b' },
        secret: 'c',
        accept: ['accept', 'reject', 'challenge'],
      },
    },
    {
      block: ['service=simpletcp', 'request="PING\\n"', 'receive="PONG"'],
      probe: { kind: 'simpletcp', send: 'PING\n', expect: 'PONG', halfClose: true },
    },
    { block: ['checktype=3'], probe: { kind: 'http' } },
    { block: ['checktype=3', 'service=none'], probe: { kind: 'tcp' } },
  ])('$block is checked as it was', ({ block, probe }) => {
    expect(service([real, ...block]).checks[0]?.probe).toMatchObject(probe)
  })

  test('radius and ldap have the timeout of connects, as ldirectord has it', () => {
    const block = [
      real,
      'service=radius',
      'login="a"',
      'passwd="b"',
      'secret="c"',
      'checktimeout=2',
      'negotiatetimeout=9',
    ]
    expect(service(block).checks[0]?.timeoutMs).toBe(2000)
  })

  test.each([
    { head: 'virtual=10.0.0.1:80', block: ['real=10.9.0.1:8080 masq'], check: undefined, server: 8080 },
    { head: 'virtual=10.0.0.1:80', block: [real, 'checkport=99'], check: 99, server: 80 },
    { head: 'virtual=10.0.0.1:80', block: ['real=10.9.0.1 masq'], check: undefined, server: 80 },
    // Packets that are not rewritten keep their port; the check goes to the written one.
    { head: 'virtual=10.0.0.1:80', block: ['real=10.9.0.1:8080 gate'], check: 8080, server: 80 },
    { head: 'virtual=5', block: ['real=10.9.0.1 gate', 'service=http'], check: 80, server: 0 },
    { head: 'virtual=5', block: ['real=10.9.0.1 gate', 'checktype=ping'], check: undefined, server: 0 },
    { head: 'virtual=5', block: ['real=10.9.0.1 gate', 'checktype=external'], check: undefined, server: 0 },
    { head: 'virtual=10.0.0.1:80', block: ['real=10.9.0.1:81 gate', 'checktype=external'], check: 81, server: 80 },
  ])('$head with $block: the server at port $server is checked at $check', ({ head, block, check, server }) => {
    const { servers, checks } = service(block, head)
    expect(servers).toMatchObject([{ endpoint: { port: server } }])
    expect(checks[0]?.port).toBe(check)
  })

  test('what most servers are asked is asked of the service, the rest of the servers', () => {
    const { checks, servers } = service([
      'real=10.9.0.1:80 masq 1 "own", "mine"',
      'real=10.9.0.2:80 masq',
      'real=10.9.0.3:80 masq',
      'real=10.9.0.4:8080 gate',
      'request="all"',
    ])
    expect(checks).toMatchObject([{ probe: { kind: 'http', path: '/all' } }])
    const [common] = checks
    expect(servers.map((server) => server.checks)).toEqual([
      [{ ...common, probe: { kind: 'http', path: '/own', body: 'mine', status: [[200, 299]], redirects: 7 } }],
      undefined,
      undefined,
      [{ ...common, port: 8080 }],
    ])
  })

  test.each([
    { url: 'http://10.8.0.1', at: { address: '10.8.0.1', port: 80, path: '/' }, service: 'http' },
    { url: '/http://10.8.0.1:81/a?b', at: { address: '10.8.0.1', port: 81, path: '/a?b' }, service: 'http' },
    { url: 'https://[fd00::8]/', at: { address: 'fd00::8', port: 443, path: '/' }, service: 'https' },
  ])('$url is asked in place of the server, as the server', ({ url, at, service: scheme }) => {
    const { checks } = service([`real=10.9.0.1:80 masq 1 "${url}", ""`, `service=${scheme}`, 'checkport=99'])
    const { address, port, path } = at
    expect(checks).toMatchObject([{ address, port, probe: { kind: 'http', path, host: '10.9.0.1' } }])
    const named = service([`real=10.9.0.1:80 masq 1 "${url}", ""`, `service=${scheme}`, 'virtualhost=www'])
    expect(named.checks).toMatchObject([{ probe: { host: 'www' } }])
  })

  test("a proxy's own request is asked of it through itself", () => {
    const block = ['service=http_proxy', 'request="http://a/"']
    const urlOf = (request: string) =>
      service([`real=10.9.0.1:80 masq 1 "${request}", ""`, ...block], 'virtual=10.0.0.1:3128').checks[0]?.probe
    expect(urlOf('http://b/c')).toMatchObject({ kind: 'http-proxy', url: 'http://b/c' })
    expect(urlOf('c')).toMatchObject({ url: 'http://10.9.0.1:80/c' })
  })

  test('a directory of maintenance, and commands of all virtuals and of one', () => {
    const block = ['    checktype=on', `    ${real}`]
    const { spec } = convert([
      'maintenancedir=ha.d/maintenance',
      'fallbackcommand=logger "nobody is left"',
      'virtual=10.0.0.1:80',
      ...block,
      'virtual=10.0.0.2:80',
      ...block,
      '    fallbackcommand="page 1"',
    ])
    expect(spec?.directors.maintenance).toBe('/etc/ha.d/maintenance')
    expect(Object.values(spec?.services ?? {}).map((service) => service.fallbackCommand)).toEqual([
      'logger "nobody is left"',
      'page 1',
    ])
  })

  test.each([
    { written: '127.0.0.1:81 masq', fallback: { address: '127.0.0.1', port: 81 } },
    { written: '127.0.0.1 masq', fallback: { address: '127.0.0.1', port: 80 } },
    { written: '127.0.0.1:81', fallback: { address: '127.0.0.1', port: 80, forwarding: 'direct' } },
    { written: '127.0.0.1:81 ipip', fallback: { address: '127.0.0.1', port: 80, forwarding: 'tunnel' } },
    { written: '127.0.0.1', head: 'virtual=5', fallback: { address: '127.0.0.1', port: 0, forwarding: 'direct' } },
    { written: '127.0.0.1:81', head: 'virtual=5', fallback: { address: '127.0.0.1', port: 81, forwarding: 'direct' } },
  ])('a fallback $written of $head', ({ written, head, fallback }) => {
    expect(service(['checktype=on', `fallback=${written}`, 'real=10.9.0.1:80 masq'], head).fallback).toEqual(fallback)
  })

  test('a fallback by gate is reached by masq where the engine has nothing else', () => {
    const lines = ['virtual=10.0.0.1:80', '    checktype=on', `    ${real}`, '    fallback=127.0.0.1:80']
    const { spec, findings } = convert(lines, 'userspace')
    expect(spec?.services['tcp-10-0-0-1-80']?.fallback).toEqual({ address: '127.0.0.1', port: 80 })
    expect(findings).toMatchObject([{ severity: 'warning', line: 4 }])
  })

  test.each([
    {
      block: ['checktype=3', 'checktimeout=2', 'negotiatetimeout=9'],
      check: { probe: { kind: 'http' }, timeoutMs: 9000, connects: 3, connectTimeoutMs: 2000 },
    },
    { block: ['checktype=0'], check: { probe: { kind: 'http' } } },
    // Over UDP a connection says nothing, and ldirectord's always succeeds.
    { block: ['checktype=3', 'service=dns', 'request="a"', 'protocol=udp'], check: { probe: { kind: 'dns' } } },
    { block: ['checktype=ping', 'checkcount=3', 'checktimeout=2'], check: { probe: { attempts: 3 }, timeoutMs: 6000 } },
  ])('$block is checked so', ({ block, check }) => {
    const { checks } = service([real, ...block])
    expect(checks).toMatchObject([check])
    if (!('connects' in check)) expect(checks[0]).not.toHaveProperty('connects')
  })

  test('of a server that is there twice the last one counts', () => {
    const converted = convert(['virtual=10.0.0.1:80', '    real=10.9.0.1 masq 1', `    ${real} 2`])
    expect(said(converted)).toEqual([
      'warning 2: 10.9.0.1:80 is a server of this virtual again on line 3, which counts',
    ])
    expect(converted.spec?.services['tcp-10-0-0-1-80']?.servers).toMatchObject([{ weight: 2 }])
  })

  test('servers without a check: on and none have all, off has nobody', () => {
    expect(service([real, 'checktype=on'])).toMatchObject({ checks: [] })
    expect(service([real, 'service=none'])).toMatchObject({ checks: [] })
    expect(service([real, 'checktype=off', 'fallback=127.0.0.1:1 masq'])).toMatchObject({ servers: [] })
    expect(service([`${real} 3`, 'checktype=off', 'quiescent=yes']).servers).toMatchObject([{ weight: 0 }])
  })

  test('a request that is never asked, since the port has no service, is said', () => {
    const converted = convert(['virtual=10.0.0.1:8080', `    ${real}`, '    receive="x"'])
    expect(converted.findings).toMatchObject([{ severity: 'warning', line: 3 }])
    expect(converted.spec?.services['tcp-10-0-0-1-8080']).toMatchObject({ checks: [] })
  })

  test('a virtual takes the interval of its own only with fork', () => {
    const every = (...globals: string[]) => service([real, 'checkinterval=7'], undefined, globals).checks[0]?.everyMs
    expect(every()).toBe(10_000)
    expect(every('fork=yes')).toBe(7000)
  })

  test.each([
    { block: [real, 'scheduler=best'], error: /^3: there is no scheduler best: expected one of rr wrr / },
    { block: [real, 'receive="(?i)x"'], error: /^3: receive: Perl's syntax in/ },
    { block: [real, 'service=oracle'], error: /^1: service oracle has no check here/ },
    { block: [real, 'service=mysql'], error: /^1: service mysql needs a login and a request/ },
    { block: [real, 'service=dns'], error: /^1: service dns needs a request/ },
    { block: ['real=10.9.0.1 masq', 'checktype=connect', 'service=none'], error: /^1: there is no port to check/ },
    { block: [real, 'persistent=0'], error: /^3: persistent: expected a second at least/ },
    { block: [real, 'netmask=999.0.0.0', 'persistent=5'], error: /^3: there is no netmask 999\.0\.0\.0/ },
    { block: [real, 'persistent=99999999'], error: /^1: .* is too long/ },
    { block: ['real=10.9.0.1:80 masq 1 "http://nobody/b" "c"'], error: /^2: nobody cannot be looked up/ },
    { block: ['real=10.9.0.1:80 masq 1 "x?http://10.0.0.1" "c"'], error: /^2: .*expected a URL such as http:/ },
    { block: [real, 'request="/ä b"'], error: /^1: .*expected a path/ },
  ])('$block is refused with its line', ({ block, error }) => {
    const converted = convert(['virtual=10.0.0.1:80', ...block.map((line) => `    ${line}`)])
    expect(converted.spec).toBeUndefined()
    expect(said(converted).filter((text) => error.test(text))).toHaveLength(1)
  })

  test('what is not taken over is said with its line', () => {
    const converted = convert([
      'emailalert=a@b',
      'logfile="/x"',
      'execute=other.cf',
      'emailalertfrom=/m',
      'callback="/c"',
      'autoreload=yes',
      'fallback=127.0.0.1:1',
      'virtual=5',
      '    checktype=on',
      '    cleanstop=no',
      '    monitorfile=/y',
      '    load="x"',
      '    comment=hello',
      '    checkcount=2',
      '    ops=yes',
      '    netmask=255.0.0.0',
      '    real=10.9.0.1 masq',
    ])
    expect(converted.spec).toBeDefined()
    const lines = converted.findings.map(({ line }) => line)
    expect([...new Set(lines)].sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 8, 10, 11, 12, 13, 14, 15, 16])
    expect(converted.findings.every(({ severity }) => severity === 'warning')).toBe(true)
  })

  test('what the engine would refuse is an error at its virtual', () => {
    const lines = ['virtual=10.0.0.1:80', '    real=10.9.0.1:80 gate']
    expect(convert(lines, 'fake').spec).toBeDefined()
    const refused = convert(lines, 'userspace')
    expect(refused.spec).toBeUndefined()
    expect(refused.findings).toMatchObject([{ severity: 'error', line: 1 }])
  })
})

describe("Perl's patterns", () => {
  const matches = (perl: string, text: string, byLine = false): boolean => {
    const translated = translatePattern(perl, byLine)
    if ('refused' in translated) throw new Error(translated.refused)
    return new RegExp(translated.pattern).test(text)
  }
  test.each([
    { perl: 'OK$', text: 'OK\n', is: true },
    { perl: 'OK$', text: 'OK\n\n', is: false },
    { perl: '\\AOK\\z', text: 'OK\n', is: false },
    { perl: '\\AOK\\Z', text: 'OK\n', is: true },
    { perl: 'a.b', text: 'a\rb', is: true },
    { perl: 'a.b', text: 'a\nb', is: false },
    { perl: '[]x]+y', text: ']y', is: true },
    { perl: '[^]x]y', text: ']y', is: false },
    { perl: '[$.]', text: 'a', is: false },
    { perl: '\\$5\\.', text: '$5.', is: true },
    { perl: 'a\\hb', text: 'a\tb', is: true },
    { perl: '', text: '', is: true },
  ])('$perl on $text: $is', ({ perl, text, is }) => {
    expect(matches(perl, text)).toBe(is)
  })

  test.each([
    { perl: '^PONG', text: 'HELLO\nPONG\n', is: true },
    { perl: '^PONG$', text: 'HELLO\nPONG\nBYE\n', is: true },
    { perl: '\\APONG\\Z', text: 'HELLO\nPONG', is: true },
    { perl: 'PONG\\n\\z', text: 'HELLO\nPONG\nBYE\n', is: true },
    { perl: '^ONG', text: 'PONG\n', is: false },
    { perl: 'HELLO\\z', text: 'HELLO\nPONG\n', is: false },
  ])('$perl on the lines of $text: $is', ({ perl, text, is }) => {
    expect(matches(perl, text, true)).toBe(is)
  })

  test.each(['(?i)x', '[[:alpha:]]', '\\Qa.b\\E', 'a++', '\\x{263a}', '\\pL', '[\\A]', 'x\\', '\\x1'])(
    '%s is refused',
    (perl) => {
      expect(translatePattern(perl)).toHaveProperty('refused')
    },
  )
})
