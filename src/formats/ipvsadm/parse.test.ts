import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ipvsadmWord } from '../../../test/build/ipvsadm-words.ts'
import type { Command } from './command.ts'
import { parseLine } from './parse.ts'
import type { Names } from './values.ts'

const names: Names = {
  host: (name) => (name === 'vip' ? '10.0.0.77' : undefined),
  port: (name, protocol) => (name === 'http' && protocol === 'tcp' ? 80 : undefined),
}

/** Words between single quotes are one. */
function wordsOf(line: string): string[] {
  return [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '')
}

function refusalOf(line: string): string {
  const parsed = parseLine(wordsOf(line), names)
  if (parsed.ok) return 'none'
  return parsed.refusal.kind === 'usage' ? 'usage' : parsed.refusal.message
}

function commandOf(line: string): Command {
  const parsed = parseLine(wordsOf(line), names)
  if (!parsed.ok) throw new Error(`${line}: ${refusalOf(line)}`)
  return parsed.command
}

/** A value for each option of the validity matrix, and how it is written, in the order of its columns. */
const columns = [
  ['numeric', '-n'], ['connection', '-c'], ['service-address', '-t 10.0.0.1:80'], ['scheduler', '-s rr'],
  ['persistent', '-p 5'], ['netmask', '-M 255.0.0.0'], ['real-server', '-r 10.9.0.2'], ['forwarding-method', '-m'],
  ['weight', '-w 2'], ['u-threshold', '-x 3'], ['l-threshold', '-y 2'], ['mcast-interface', '--mcast-interface d0'],
  ['timeout', '--timeout'], ['daemon', '--daemon'], ['stats', '--stats'], ['rate', '--rate'],
  ['thresholds', '--thresholds'], ['persistent-conn', '--persistent-conn'], ['nosort', '--nosort'],
  ['syncid', '--syncid 3'], ['exact', '--exact'], ['ops', '-o'], ['pe', '--pe sip'], ['sched-flags', '-b flag-1'],
  ['mcast-group', '--mcast-group 239.1.2.3'], ['mcast-port', '--mcast-port 9'], ['mcast-ttl', '--mcast-ttl 9'],
  ['sync-maxlen', '--sync-maxlen 999'], ['tun-info', '--tun-info'], ['tun-type', '--tun-type gre'],
  ['tun-port', '--tun-port 9'], ['tun-nocsum', '--tun-nocsum'], ['tun-csum', '--tun-csum'], ['tun-remcsum', '--tun-remcsum'],
] as const // biome-ignore format: a list to read at a glance

/** `.` illegal, `o` optional, `+` compulsory, `1` at most one of them; as observed. */
const rows = [
  ['add-service', '-A', '..+ooo...............ooo..........'],
  ['edit-service', '-E', '..+ooo...............ooo..........'],
  ['delete-service', '-D', '..+...............................'],
  ['flush', '-C', '..................................'],
  ['restore', '-R', '..................................'],
  ['set', '--set 1 2 3', '..................................'],
  ['list', '-L', 'o11.........11ooooooo.......o.....'],
  ['add-server', '-a', '..+...+oooo..................ooooo'],
  ['edit-server', '-e', '..+...+oooo..................ooooo'],
  ['delete-server', '-d', '..+...+...........................'],
  ['start-daemon', '--start-daemon master', '...........o.......o....oooo......'],
  ['stop-daemon', '--stop-daemon master', '...................o..............'],
  ['save', '-S', 'o.................................'],
  ['zero', '-Z', '..o...............................'],
] as const // biome-ignore format: a table

const cells = rows.flatMap(([command, option, uses]) =>
  columns.map(([name, written], index) => ({
    command,
    name,
    written,
    use: uses[index] ?? '',
    // What else the command needs, so that this option alone decides.
    line: [option, ...columns.filter(([other], at) => uses[at] === '+' && other !== name).map(([, text]) => text)].join(
      ' ',
    ),
  })),
)

describe('the validity matrix', () => {
  test('has a mark for every option', () => {
    for (const [, , uses] of rows) expect(uses.length).toBe(columns.length)
  })

  test.each(cells.filter(({ use }) => use === '.'))('$command has no $name', ({ command, name, line, written }) => {
    expect(refusalOf(`${line} ${written}`)).toBe(`Illegal '${name}' option with the '${command}' command`)
  })

  test.each(cells.filter(({ use }) => use === 'o' || use === '1'))(
    '$command may have $name',
    ({ command, line, written }) => {
      expect(refusalOf(line)).toBe('none')
      expect(refusalOf(`${line} ${written}`)).not.toContain(`with the '${command}' command`)
    },
  )

  test.each(cells.filter(({ use }) => use === '+'))('$command needs $name', ({ command, name, line }) => {
    expect(refusalOf(line)).toBe(`You need to supply the '${name}' option for the '${command}' command`)
  })

  const alone = cells.filter(({ use }) => use === '1')
  const pairs = alone.flatMap((one, index) => alone.slice(index + 1).map((other) => ({ one, other })))
  test.each(pairs)('$other.name and $one.name exclude each other', ({ one, other }) => {
    expect(refusalOf(`-L ${other.written} ${one.written}`)).toBe(
      `The option '${other.name}' conflicts with the '${one.name}' option in the 'list' command`,
    )
  })
})

describe('what is wrong with a line', () => {
  test.each([
    { line: '-n', says: 'usage' },
    { line: 'foo', says: 'usage' },
    { line: '--bogus', says: 'usage' },
    { line: '-q', says: 'usage' },
    { line: '-nL', says: 'usage' },
    { line: '--help=3', says: 'usage' },
    { line: '--start-daemon', says: 'usage' },
    { line: '-- -L', says: 'usage' },
    { line: 'foo -L', says: 'unexpected argument foo' },
    { line: '-A --bogus', says: '--bogus: unknown option' },
    { line: '-Aq', says: '-Aq: unknown option' },
    { line: '--set 1 -2 3', says: '-2: unknown option' },
    { line: '-A -f 5 -p -1', says: '-1: unknown option' },
    { line: '-A -t', says: '-t: missing argument' },
    { line: '-A -L', says: "invalid option `-L'" },
    { line: '-AL', says: "invalid option `-AL'" },
    { line: '-A -h', says: "invalid option `-h'" },
    { line: '-A -t 10.0.0.1:80 -u 10.0.0.1:81', says: "multiple 'service-address' options specified" },
    { line: '-A -t 10.0.0.1:80 -f 3', says: "multiple 'service-address' options specified" },
    { line: '-a -m -g', says: "multiple 'forwarding-method' options specified" },
    { line: '-L -X --exact', says: "multiple 'exact' options specified" },
    { line: '-L -c --stats', says: 'options conflicts in the list command' },
    { line: '-L --daemon --persistent-conn', says: 'options conflicts in the list command' },
    { line: '-L foo', says: 'unexpected argument foo' },
    { line: "-L ''", says: 'unexpected argument ' },
    { line: '-A -t 80', says: 'illegal virtual server address[:port] specified' },
    { line: '-a -t 10.0.0.1:80 -r 80', says: 'illegal real server address[:port] specified' },
    { line: '-a -r 10.9.0.2:http -t 10.0.0.1:80 -m', says: 'illegal real server address[:port] specified' },
    { line: '-A -t 10.0.0.1', says: 'Zero port specified for non-persistent service' },
    { line: '-A -t 10.0.0.1:80 -o', says: 'One-Packet Scheduling is only for UDP virtual services' },
    { line: '-A -t 10.0.0.1 -o', says: 'Zero port specified for non-persistent service' },
    { line: '-A -f 0', says: "invalid fwmark value `0' specified" },
    { line: '-A -f 4294967296', says: "invalid fwmark value `4294967296' specified" },
    { line: '-A -f 4 -p 0', says: "invalid timeout value `0' specified" },
    { line: '-A -f 4 -p 2678401', says: "invalid timeout value `2678401' specified" },
    { line: '-A -f 4 -p -M bogus', says: 'illegal virtual server persistent mask specified' },
    { line: '-A -t [fd00::1]:80 -p -M 129', says: 'illegal ipv6 netmask specified' },
    { line: '-A -6 -f 2', says: '-6 used before -f\n' },
    { line: '-a -w 2147483648', says: 'illegal weight specified' },
    { line: '-a -x -1', says: 'illegal u_threshold specified' },
    { line: '-a -y abc', says: 'illegal l_threshold specified' },
    { line: '-A -t 10.0.0.1:80 -b bogus', says: "invalid scheduler flag `bogus'" },
    { line: '-A -t 10.0.0.1:80 -b sh-port', says: "incompatible scheduler flag `sh-port'" },
    { line: '-A -t 10.0.0.1:80 -s mh -b sh-port', says: "incompatible scheduler flag `sh-port'" },
    { line: '-A -t 10.0.0.1:80 -s rr -b ,', says: "invalid scheduler flag `,'" },
    { line: '-D -t 10.0.0.1:80 -b bogus', says: "invalid scheduler flag `bogus'" },
    { line: '-A -t 10.0.0.1:80 -b bogus extra', says: 'unexpected argument extra' },
    { line: '-a -t 10.0.0.1:80 -r fd09::2', says: 'Different address family is allowed only for tunneling servers' },
    {
      line: '-a -t 10.0.0.1:80 -r fd09::2 --tun-type ipip',
      says: 'Different address family is allowed only for tunneling servers',
    },
    { line: '-a -t 10.0.0.1:80 -r 10.9.0.2 -m --tun-csum', says: 'Tunnel options conflict with forward method' },
    {
      line: '-a -t 10.0.0.1:80 -r 10.9.0.2 -i --tun-type gue',
      says: "You need to supply the 'tun-port' option for the 'gue' tunnel type",
    },
    {
      line: '-a -t 10.0.0.1:80 -r 10.9.0.2 -i --tun-csum',
      says: "Illegal 'tun-csum' option with the 'ipip' tunnel type",
    },
    {
      line: '-a -t 10.0.0.1:80 -r 10.9.0.2 -i --tun-type gre --tun-remcsum',
      says: "Illegal 'tun-remcsum' option with the 'gre' tunnel type",
    },
    {
      line: '-a -t 10.0.0.1:80 -r 10.9.0.2 -i --tun-type gue --tun-port 5 --tun-remcsum --tun-csum',
      says: "The option 'tun-remcsum' conflicts with the 'tun-csum' option in the 'gue' tunnel type",
    },
    { line: '-a --tun-type bogus', says: 'illegal tunnel type specified' },
    { line: '-a --tun-port 0', says: 'illegal tunnel port specified' },
    { line: '--set 1 2', says: '--set option requires 3 timeout values' },
    { line: '--set a 2 3', says: "invalid timeout value `a' specified" },
    { line: '--set 1 2 3 4', says: 'unexpected argument 4' },
    { line: '--start-daemon foo', says: 'illegal start-daemon parameter specified' },
    { line: '--stop-daemon foo', says: 'illegal start_daemon specified' },
    { line: '--start-daemon master --syncid 256', says: 'illegal syncid specified' },
    { line: '--start-daemon master --sync-maxlen 65508', says: 'illegal sync-maxlen specified' },
    { line: '--start-daemon master --mcast-port 0', says: 'illegal mcast-port specified' },
    { line: '--start-daemon master --mcast-ttl 256', says: 'illegal mcast-ttl specified' },
    { line: '--start-daemon master --mcast-group 10.0.0.1', says: "invalid IPv4 mcast-group `10.0.0.1'" },
    { line: '--start-daemon master --mcast-group fd00::1', says: "invalid IPv6 mcast-group `fd00::1'" },
  ])('$line: $says', ({ line, says }) => {
    expect(refusalOf(line)).toBe(says)
  })
})

describe('what a line asks for', () => {
  const tcp = { kind: 'address', protocol: 'tcp', address: '10.0.0.1', port: 80 } as const
  const bare = { id: tcp, scheduler: 'wlc', schedulerFlags: [], onePacket: false } as const

  test.each([
    { line: '-A -t 10.0.0.1:80', service: bare },
    { line: '-A -t 10.0.0.1:80 -s none', service: { ...bare, scheduler: 'none' } },
    {
      line: '-A -p -t 10.0.0.1:80',
      service: { ...bare, persistence: { timeoutSeconds: 360, mask: '255.255.255.255' } },
    },
    {
      line: '-A -t 10.0.0.1:80 -p 5 -M 24',
      service: { ...bare, persistence: { timeoutSeconds: 5, mask: '0.0.0.24' } },
    },
    { line: '-A -t 10.0.0.1:80 -M 255.0.0.0', service: bare },
    { line: '-A -t 10.0.0.1:80 --pe sip', service: { ...bare, idlePersistenceEngine: 'sip' } },
    {
      line: '-A -t 10.0.0.1:80 --pe sip -p 5',
      service: { ...bare, persistence: { timeoutSeconds: 5, mask: '255.255.255.255', engine: 'sip' } },
    },
    { line: '-A -b sh-port -t 10.0.0.1:80 -s sh', service: { ...bare, scheduler: 'sh', schedulerFlags: ['sh-port'] } },
    {
      line: '-A -t 10.0.0.1:80 -s sh -b flag-3,flag-1',
      service: { ...bare, scheduler: 'sh', schedulerFlags: ['sh-fallback', 'flag-3'] },
    },
    {
      line: '-A -p 5 -M 64 -t [fd00::1]:80',
      service: { ...bare, id: { ...tcp, address: 'fd00::1' }, persistence: { timeoutSeconds: 5, mask: '128' } },
    },
    {
      line: '-A -f 3 -M 64 -6 -p 5',
      service: {
        ...bare,
        id: { kind: 'fwmark', mark: 3, family: 'ipv6' },
        persistence: { timeoutSeconds: 5, mask: '128' },
      },
    },
    { line: '-A -f 3 -o', service: { ...bare, id: { kind: 'fwmark', mark: 3, family: 'ipv4' }, onePacket: true } },
  ])('$line', ({ line, service }) => {
    expect(commandOf(line)).toEqual({ kind: 'edit', name: 'add-service', edit: { kind: 'service.add', service } })
  })

  const server = {
    address: '10.9.0.2',
    port: 80,
    forwarding: 'direct',
    weight: 1,
    upperThreshold: 0,
    lowerThreshold: 0,
  } as const
  test.each([
    { line: '-a -t 10.0.0.1:80 -r 10.9.0.2', is: server },
    { line: '-a -t 10.0.0.1:80 -r 10.9.0.2:8080', is: server },
    { line: '-a -t 10.0.0.1:80 -r 10.9.0.2:8080 -m', is: { ...server, port: 8080, forwarding: 'masq' } },
    { line: '-a -r 10.9.0.2 -t 10.0.0.1:80 -m', is: { ...server, port: 0, forwarding: 'masq' } },
    {
      line: '-a -t 10.0.0.1:80 -r fd09::2 -i -w 5',
      is: { ...server, address: 'fd09::2', forwarding: 'tunnel', weight: 5 },
    },
    {
      line: '-a -t 10.0.0.1:80 -r 10.9.0.2 -i --tun-type gue --tun-port 6080 --tun-remcsum',
      is: { ...server, forwarding: 'tunnel', tunnel: { type: 'gue', port: 6080, checksum: 'remcsum' } },
    },
    {
      line: '-a -t 10.0.0.1:80 -r 10.9.0.2 -i --tun-type gre',
      is: { ...server, forwarding: 'tunnel', tunnel: { type: 'gre', checksum: 'nocsum' } },
    },
  ])('$line', ({ line, is }) => {
    expect(commandOf(line)).toEqual({
      kind: 'edit',
      name: 'add-server',
      edit: { kind: 'server.add', id: tcp, server: is },
    })
  })

  test('a real server of a firewall mark keeps the port that was said', () => {
    expect(commandOf('-a -f 3 -r 10.9.0.2:99')).toMatchObject({ edit: { server: { port: 99, forwarding: 'direct' } } })
  })

  test('a server to delete is meant by the port that was said', () => {
    expect(commandOf('-d -t 10.0.0.1:80 -r 10.9.0.2:8080')).toMatchObject({ edit: { server: { port: 8080 } } })
    expect(commandOf('-d -t 10.0.0.1:80 -r 10.9.0.2')).toMatchObject({ edit: { server: { port: 80 } } })
  })

  test.each([
    ['', 'list-all'],
    ['-L', 'list-all'],
    ['-Lc', 'list-connections'],
    ['-L -f 3', 'list-service'],
    ['-L --timeout', 'list-timeouts'],
    ['-L --daemon', 'list-daemons'],
    ['-S', 'save'],
    ['-R', 'restore'],
    ['-h -x', 'help'],
    ['-v', 'version'],
    ['-A -f 3 -s nosuch', 'unknown-module'],
    ['-E -f 3 --pe nope', 'unknown-module'],
  ])('%j is %s', (line, kind) => {
    // biome-ignore format: a list to read at a glance
    expect(commandOf(line).kind).toBe(kind)
  })

  test('of the columns the first in ipvsadm’s own order counts', () => {
    expect(commandOf('-L --rate --stats')).toMatchObject({ format: { columns: 'stats' } })
    expect(commandOf('-L --tun-info --persistent-conn')).toMatchObject({ format: { columns: 'persistent-conn' } })
  })
})

describe('any words at all', () => {
  test('give a command or a refusal, never a crash', () => {
    fc.assert(
      fc.property(fc.array(ipvsadmWord, { maxLength: 8 }), (words) => {
        const parsed = parseLine(words, names)
        expect(typeof parsed.ok).toBe('boolean')
      }),
      { numRuns: 3000 },
    )
  })
})
