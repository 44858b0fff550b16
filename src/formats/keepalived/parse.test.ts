import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { commonNames } from '../iproute/names.ts'
import { exitCodeOf } from './finding.ts'
import type { Included, Surroundings } from './lines.ts'
import type { Machine } from './machine.ts'
import type { KeepalivedFile } from './model.ts'
import { parseKeepalived } from './parse.ts'

const machine: Machine = {
  interface: (name) => (name === 'lo' ? 'loopback' : name === 'eth0' ? 'there' : 'none'),
  isExecutable: (path) => path === '/bin/true',
  routingNames: commonNames,
  hasUser: (name) => name === 'root',
  groupOf: () => '0',
}
const nothing: Included = { files: [], missing: [], directories: [] }
const surroundings: Surroundings = {
  configId: 'here',
  directory: '/etc/keepalived',
  include: (pattern) =>
    pattern === 'self.conf'
      ? { ...nothing, files: [{ file: 'self.conf', directory: '/', text: 'include self.conf\n' }] }
      : pattern === 'bad.conf'
        ? { ...nothing, files: [{ file: 'bad.conf', directory: '/', text: '\nbad\n' }] }
        : { ...nothing, missing: [pattern] },
  random: () => 0.5,
}
const parse = (...lines: readonly string[]): KeepalivedFile =>
  parseKeepalived({ file: 'k', directory: '/', text: lines.join('\n') }, surroundings, machine)
const said = (file: KeepalivedFile): string[] =>
  file.findings.map(({ place, message }) =>
    place === undefined ? message : `${place.file === 'k' ? '' : `${place.file} `}${place.line}: ${message}`,
  )
/** The unknown keywords of a file: what its lines became. */
const became = (...lines: readonly string[]): string[] =>
  parse(...lines).findings.flatMap(({ message }) => /^Unknown keyword '(.*)'$/.exec(message)?.[1] ?? [])

describe('the grammar of keepalived.conf', () => {
  test.each([
    {
      name: 'comments end a line, unless quoted or behind a backslash',
      lines: ['a # x', 'b ! x', 'c\\#d', '"e # f"'],
      is: ['a', 'b', 'c#d', 'e # f'],
    },
    { name: 'a quote ends a word', lines: ['a"b c"'], is: ['a'] },
    {
      name: 'lines of this machine are kept, those of others are not',
      lines: ['@here a', '@there b', '@^here c', '@^there d', '@ e'],
      is: ['a', 'd'],
    },
    { name: 'the last value of a parameter counts', lines: ['$A=1', '$B=x${A}', '$A=2', '$B'], is: ['x2'] },
    {
      name: 'the last parameter of a line is replaced first',
      lines: ['$A=1', '$B=2', 'x$A$B', 'y${A}${B}'],
      is: ['x$A2', 'y12'],
    },
    { name: 'a parameter of several lines', lines: ['$M= \\', ' a \\', ' b', '$M'], is: ['a', 'b'] },
    {
      name: 'sequences count up, down and in steps',
      lines: ['~SEQ(i,2) a$i', '~SEQ(i,3,2) b$i', '~SEQ(i,1,2,4) c$i', '~SEQx(i,9,1,10) d$i'],
      is: ['a1', 'a2', 'b3', 'b2', 'c1', 'c3', 'd9', 'da'],
    },
    {
      name: 'lists name one parameter or several',
      lines: ['~LST(a,p,q) x$a', '~LST({a,b},{1,2},{3}) ${a}-${b}'],
      is: ['xp', 'xq', '1-2', '3-'],
    },
    {
      name: 'an inner sequence runs within the outer',
      lines: ['~SEQ(i,2) ~SEQ(j,2) ${i}${j}'],
      is: ['11', '12', '21', '22'],
    },
  ])('$name', ({ lines, is }) => {
    expect(became(...lines)).toEqual(is)
  })

  test('what is included has its own name and lines', () => {
    expect(said(parse('', 'include bad.conf', 'x'))).toEqual([
      "bad.conf 2: Unknown keyword 'bad'",
      "3: Unknown keyword 'x'",
    ])
  })

  test('an include must find what its kind insists on', () => {
    expect(exitCodeOf(parse('include nosuch').findings)).toBe(0)
    expect(exitCodeOf(parse('includer nosuch').findings)).toBe(0)
    expect(exitCodeOf(parse('includea nosuch').findings)).toBe(6)
    expect(said(parse('includem nosuch'))).toEqual(["1: Config files missing 'nosuch'."])
  })

  test('files that include themselves and parameters that contain themselves end', () => {
    expect(said(parse('include self.conf'))).toEqual(['self.conf 1: files include each other 32 deep'])
    expect(said(parse('$R=${R} ${R}', 'x ${R}'))[0]).toMatch(/never come to an end/)
    expect(said(parse('~SEQ(i,60000) ~SEQ(j,60000) a$i'))[0]).toMatch(/more than 200000 lines/)
  })

  test('braces stand on the line, glued, or on the next one', () => {
    expect(
      said(parse('global_defs{', 'router_id x', '}', 'global_defs { router_id y }', 'global_defs', '{', '}')),
    ).toEqual([])
    expect(said(parse('global_defs {'))).toEqual(["There are 1 missing '}'s or extra '{'s"])
    expect(said(parse('}'))).toEqual(["1: Extra '}' found", "1: Unknown keyword '}'"])
    expect(said(parse('a {', '}'))).toEqual([
      "1: Unknown keyword 'a'",
      "1: Unexpected '{' - ignoring",
      "2: Unknown keyword '}'",
    ])
  })

  test('a brace that is missing is met by each process in its own way', () => {
    // The first and the one for checks pass over vrrp_instance by its braces; the one for VRRP reads it.
    expect(said(parse('vrrp_instance A', ' priority 7', '}', 'last'))).toEqual([
      "2: Unknown keyword 'priority'",
      "3: Extra '}' found",
      "3: Unknown keyword '}'",
      "4: Unknown keyword 'last'",
      "2: Missing '{' at beginning of configuration block",
      '(A) the virtual router id must be set',
    ])
    expect(said(parse('global_defs {', 'notification_email', 'a@b', '}', '}', 'x'))).toEqual([
      "5: Extra '}' found",
      "6: Unknown keyword 'x'",
      "5: Unknown keyword '}'",
    ])
  })

  test('what is not read is passed over with all that stands in it', () => {
    expect(said(parse('vrrp_instance {', 'foo', '}'))).toEqual(['1: vrrp_instance must have a name'])
    expect(said(parse('vrrp_instance A B {', '}'))).toEqual(['1: vrrp_instance must have a name'])
    expect(said(parse('virtual_server 1.2.3.400 80 {', 'foo', '}'))).toEqual([
      '1: Invalid virtual server IP address/port 1.2.3.400/80 - skipping',
    ])
  })

  test('a second command or a second line of one name is said and does not count', () => {
    const { entries, ...file } = parse(
      'vrrp_instance A {', 'interface eth0', 'virtual_router_id 7', 'virtual_ipaddress {', '10.0.0.1', '}',
      'notify_backup /bin/true', 'notify_backup "/bin/true 2"', 'track_interface {', 'eth0', 'eth0 weight 2', '}', '}',
    ) // biome-ignore format: one file
    expect(said({ entries, ...file })).toContain('8: (A) notify_backup script already specified - ignoring /bin/true 2')
    expect(said({ entries, ...file })).toContain('11: (A) duplicate track_interface eth0 - ignoring')
    expect(entries[0]?.entries.filter(({ keyword }) => keyword === 'notify_backup')).toHaveLength(1)
    expect(entries[0]?.entries.at(-1)?.entries).toHaveLength(1)
  })

  test('a word that keepalived cannot do without ends the reading', () => {
    const file = parse('vrrp_instance V {', 'interface', '}')
    expect(exitCodeOf(file.findings)).toBe(2)
    expect(said(file)).toEqual([
      '2: *** Configuration line starting `interface` is missing a parameter after keyword `interface` at word position 2',
    ])
  })

  test('any text is read to its end', () => {
    const pieces = ['{', '}', '\n', '"', '$A', '$A=', '${', '~SEQ(', '~LST(', '@', '#', '\\', ' ', 'virtual_server ', '1.2.3.4 80', 'real_server ', 'weight -1', 'HTTP_GET', 'url', 'vrrp_instance V', 'virtual_ipaddress', 'include self.conf', '%', '9'] // biome-ignore format: a list to read at a glance
    const texts = fc.oneof(
      fc.string(),
      fc.array(fc.constantFrom(...pieces), { maxLength: 60 }).map((some) => some.join('')),
    )
    fc.assert(
      fc.property(texts, (text) => {
        const file = parse(text)
        for (const { message } of file.findings) expect(message).not.toBe('')
      }),
      { numRuns: 500 },
    )
  })
})

describe('virtual servers', () => {
  const real = 'real_server 10.0.0.2 80 { weight 2 }'

  test('what is left out is as keepalived has it, and said', () => {
    const file = parse('virtual_server 10.0.0.1 80 {', real, '}')
    expect(said(file)).toEqual([
      'Virtual server [10.0.0.1]:none:80: no protocol set - defaulting to UDP',
      "Virtual server [10.0.0.1]:udp:80: no scheduler set, setting default 'wlc'",
      'Virtual server [10.0.0.1]:udp:80: no forwarding method set, setting default NAT',
    ])
    expect(file.virtuals).toMatchObject([
      {
        protocol: 'UDP',
        scheduler: { value: 'wlc' },
        method: { forward: 'NAT' },
        quorum: 1,
        reals: [{ address: '10.0.0.2', weight: 2 }],
      },
    ])
  })

  test('quorum and hysteresis are kept within the weights', () => {
    const file = parse(
      'virtual_server 10.0.0.1 80 {',
      'protocol TCP',
      'lb_algo rr',
      'lb_kind NAT',
      'quorum 5',
      'hysteresis 7',
      real,
      '}',
    )
    expect(said(file)).toEqual([
      'Warning - quorum 5 for [10.0.0.1]:tcp:80 exceeds total weight of real servers 2, reducing quorum to 2',
      'Virtual server [10.0.0.1]:tcp:80: hysteresis 7 >= quorum 2; setting hysteresis to 1',
    ])
    expect(file.virtuals[0]).toMatchObject({ quorum: 2, hysteresis: 1 })
  })

  test('numbers outside their range keep the default', () => {
    const file = parse(
      'virtual_server 10.0.0.1 80 {',
      'protocol TCP',
      'lb_algo rr',
      'lb_kind NAT',
      'real_server 10.0.0.2 80 {',
      'weight -1',
      '}',
      '}',
    )
    expect(said(file)).toEqual(["6: negative number '-1'", '6: Real server weight -1 is outside range 0-2147483647'])
    expect(file.virtuals[0]?.reals[0]?.weight).toBe(1)
  })

  test.each([
    [
      'vrrp_strict',
      '(v) Strict mode does not support authentication. Ignoring.',
      '(v) State MASTER must match being address owner',
    ],
    ['router_id x', '(v) Warning - preempt delay will not work with initial state MASTER - clearing'],
  ])('%s: what does not go together in an instance is said', (global, ...expected) => {
    const instance = ['vrrp_instance v {', 'interface eth0', 'virtual_router_id 51', 'state MASTER', 'priority 100']
    const password = ['authentication {', 'auth_type PASS', 'auth_pass x', '}']
    const addresses = ['virtual_ipaddress {', '10.0.0.9', '}', '}']
    const delay = global === 'vrrp_strict' ? [] : ['preempt_delay 5']
    const file = parse('global_defs {', global, '}', ...instance, ...delay, ...password, ...addresses)
    expect(said(file).toSorted()).toEqual(expected.toSorted())
  })

  test('after an instance that lacks what it must have keepalived looks no further', () => {
    const instance = (name: string, id: number, ...lines: string[]) => [
      ...[`vrrp_instance ${name} {`, 'interface eth0', `virtual_router_id ${id}`, ...lines, '}'],
    ]
    const late = ['state MASTER', 'nopreempt', 'virtual_ipaddress {', '10.0.0.9', '}']
    const file = parse(...instance('a', 51, 'version 3'), ...instance('b', 52, ...late))
    expect(said(file)).toEqual(['(a) No VIP specified; at least one is required'])
  })

  test('servers without a weight, flags of other schedulers and a family that is not the address’s are said', () => {
    const server = ['real_server 10.0.0.2 80 {', 'weight 0', '}', '}']
    const common = ['protocol TCP', 'hashed', 'lb_algo rr', 'lb_kind NAT', 'ip_family inet6']
    const file = parse('virtual_server 10.0.0.1 80 {', ...common, ...server)
    expect(said(file)).toEqual([
      '3: hashed only applies to sh scheduler - ignoring',
      '6: Virtual server specified family inet6 conflicts with server family',
      'Warning - quorum 1 for [10.0.0.1]:tcp:80 exceeds total weight of real servers 0, reducing quorum to 0',
      'Virtual server [10.0.0.1]:tcp:80: hysteresis 0 >= quorum 0; setting hysteresis to 4294967295',
    ])
    expect(file.virtuals[0]).toMatchObject({ quorum: 1, hysteresis: 0 })
  })

  test('a group is all of its addresses', () => {
    const file = parse(
      'virtual_server_group g {',
      '10.0.0.1-3 80',
      'ae00::2-3 80',
      '}',
      'virtual_server group g {',
      'protocol TCP',
      'lb_algo rr',
      'lb_kind NAT',
      real,
      '}',
    )
    expect(file.virtuals[0]?.places.map((place) => place.kind === 'address' && place.address)).toEqual([
      '10.0.0.1', '10.0.0.2', '10.0.0.3', 'ae00::2', 'ae00::3',
    ]) // biome-ignore format: a list to read at a glance
  })
})

describe('commands', () => {
  const block = (...globals: readonly string[]) =>
    parse(
      ...globals,
      'vrrp_script s { script "/bin/true x" }',
      'vrrp_instance V { virtual_router_id 5',
      'interface eth0',
      'virtual_ipaddress { 10.0.0.9 } }',
    )

  test('as root, without being told that they are safe, are a security violation', () => {
    expect(exitCodeOf(block().findings)).toBe(6)
    expect(exitCodeOf(block('global_defs { enable_script_security }').findings)).toBe(0)
  })
})

describe('VRRP', () => {
  test('two instances of one id on one interface are said', () => {
    const instance = (name: string) => [
      `vrrp_instance ${name} {`,
      'interface eth0',
      'virtual_router_id 9',
      'virtual_ipaddress { 10.0.0.1 }',
      '}',
    ]
    expect(said(parse(...instance('A'), ...instance('B')))).toEqual([
      'A and B both use VRID 9 with IPv4 on interface eth0',
    ])
  })

  test('where an interface is missing, the instances are looked at no further', () => {
    expect(said(parse('vrrp_instance A {', 'interface nope', 'virtual_ipaddress { 10.0.0.1/33 dev lo }', '}'))).toEqual(
      [
        "3: number '33' outside range [0, 32]",
        '3: Invalid address prefix len 33 for address 10.0.0.1/33 - using 32',
        "2: WARNING - interface nope for vrrp_instance A doesn't exist",
        'Non-existent interface specified in configuration',
      ].toSorted((a, b) => Number(b.startsWith('2')) - Number(a.startsWith('2'))),
    )
  })
})
