import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { LdirectordFile, LdirectordNames, Virtual } from './model.ts'
import { checkServices, checkTypes } from './model.ts'
import { parseLdirectord } from './parse.ts'

const hosts: Readonly<Record<string, string>> = {
  'ipv4 web': '10.9.0.1',
  'ipv4 db-1.example': '10.9.0.2',
  'ipv6 web': 'fd09::1',
}
const ports: Readonly<Record<string, number>> = { http: 80, domain: 53, 'my-port': 7000 }
const names: LdirectordNames = {
  host: (name, family) => hosts[`${family} ${name}`],
  port: (name) => ports[name],
  hostName: 'here',
}
const parse = (...lines: readonly string[]): LdirectordFile => parseLdirectord(`${lines.join('\n')}\n`, names)
const said = (file: LdirectordFile): string[] =>
  file.findings.map(({ severity, line, message }) => `${severity === 'warning' ? 'warning ' : ''}${line}: ${message}`)
/** The one virtual of a file with this block. */
function virtual(...block: readonly string[]): Virtual {
  const file = parse('virtual=10.0.0.1:80', ...block.map((line) => `    ${line}`))
  expect(said(file)).toEqual([])
  const [only] = file.virtuals
  if (only === undefined) throw new Error('there is no virtual')
  return only
}

describe('ldirectord.cf', () => {
  test('a file with all kinds of lines is read with the lines of its directives', () => {
    const file = parse(
      '# comment',
      'checktimeout = 3',
      'quiescent=yes',
      'fallback=127.0.0.1 masq',
      'execute=a.cf',
      'execute=b.cf',
      '',
      'virtual = web:http',
      '\treal=web:81 masq 5 "a", "b" l:3 u:9 # a comment',
      '# in between',
      '    # and indented',
      '    real=10.1.0.1->10.1.0.3 gate',
      '    checktype=connect',
      'virtual6=[FD00:0::1]:my-port',
      '    fallback6=[::1]',
    )
    expect(said(file)).toEqual([])
    expect(file.globals).toEqual({
      checktimeout: { line: 2, value: 3 },
      quiescent: { line: 3, value: true },
      fallback: { line: 4, value: { address: '127.0.0.1', forward: 'masq' } },
      execute: [
        { line: 5, value: 'a.cf' },
        { line: 6, value: 'b.cf' },
      ],
    })
    const plain = { line: 12, port: 0, forward: 'gate', weight: 1 } as const
    expect(file.virtuals).toEqual([
      {
        line: 8,
        family: 'ipv4',
        protocol: 'tcp',
        id: { kind: 'address', address: '10.9.0.1', port: 80 },
        service: 'http',
        checktype: { line: 13, value: { kind: 'connect' } },
        reals: [
          {
            line: 9,
            address: '10.9.0.1',
            port: 81,
            forward: 'masq',
            weight: 5,
            exchange: { request: '/a', receive: 'b' },
            lowerThreshold: 3,
            upperThreshold: 9,
          },
          { ...plain, address: '10.1.0.1' },
          { ...plain, address: '10.1.0.2' },
          { ...plain, address: '10.1.0.3' },
        ],
      },
      {
        line: 14,
        family: 'ipv6',
        protocol: 'tcp',
        id: { kind: 'address', address: 'fd00::1', port: 7000 },
        service: 'none',
        reals: [],
        fallback: { line: 15, value: { address: '::1', port: 7000, forward: 'gate' } },
      },
    ])
  })

  test.each([
    { name: 'a leading blank on a global line', lines: [' fork=no'], errors: ['1: Unknown command  fork=no'] },
    {
      name: 'a comment behind yes',
      lines: ['quiescent=yes # x'],
      errors: ["1: quiescent must be 'yes' or 'no'"],
    },
    { name: 'a carriage return behind yes', lines: ['fork=yes\r'], errors: ["1: fork must be 'yes' or 'no'"] },
    { name: 'a logfile without quotes', lines: ['logfile=/x'], errors: ['1: Unknown command logfile=/x'] },
    { name: 'no check timeout', lines: ['checktimeout=0'], errors: ['1: invalid check timeout value'] },
    { name: 'no interval', lines: ['checkinterval=x'], errors: ['1: invalid check interval value'] },
    {
      name: 'an obsolete key',
      lines: ['timeout=3', 'connecttimeout=3'],
      errors: [
        '1: timeout directive deprecated in favour of checktimeout and negotiatetimeout',
        '2: connecttimeout directive deprecated in favour of negotiatetimeout',
      ],
    },
    {
      name: 'bare supervised',
      lines: ['supervised', 'supervised=maybe'],
      errors: [
        'warning 1: please update your config not to use a bare supervised directive',
        "2: supervised must be 'yes' or 'no'",
      ],
    },
    {
      name: 'wrong states of mails',
      lines: [
        'emailalertstatus=all,foo',
        'emailalertstatus=all, none',
        'smtp="x"',
        'emailalertfreq=x',
        'emailalert=""',
      ],
      errors: [
        '1: invalid email alert status at: "foo"',
        '2: invalid email alert status: "all" specified with "none"',
        '3: invalid SMTP server address',
        '4: invalid email alert frequency',
        '5: no email address specified',
      ],
    },
    {
      name: 'a fallback that cannot be',
      lines: ['fallback=nobody:80', 'fallback=web:80 nat', 'fallback6=web:99999'],
      errors: [
        '1: invalid IPv4 address or could not resolve for fallback server: nobody',
        '2: forward method must be gate, masq or ipip',
        '3: invalid port for fallback server',
      ],
    },
    {
      name: 'a virtual that is none',
      lines: ['virtual=[::1]:80', 'virtual=:80', 'virtual=nobody:80', 'virtual=web:nothing', 'virtual6=[::1::]:80'],
      errors: [
        '1: cannot specify an IPv6 address here. please use "virtual6" instead.',
        '2: invalid address for virtual server',
        '3: invalid address for virtual service',
        '4: invalid address for virtual service',
        '5: invalid ipv6 address for virtual server',
      ],
    },
    {
      name: 'a virtual without a port, which becomes a mark',
      lines: ['virtual=192.168.1.1', '    checktype=on'],
      errors: ['warning 1: 192.168.1.1 is read as the firewall mark 192, as by ldirectord: it has no port'],
    },
    {
      name: 'a block that a blank line ends',
      lines: ['virtual=5', '    checktype=on', '', '    checktype=off'],
      errors: ['4: Unknown command     checktype=off'],
    },
    {
      name: 'a block line of three blanks',
      lines: ['virtual=5', '   checktype=on'],
      errors: ['2: Unknown command    checktype=on'],
    },
    {
      name: 'a virtual that is there twice, said one line late',
      lines: ['virtual=5', '    checktype=on', 'virtual=5', '    checktype=on', '# end'],
      errors: ['5: duplicate virtual server'],
    },
    {
      name: 'a checkinterval of a virtual without fork',
      lines: ['virtual=5', '    checkinterval=3'],
      errors: ['warning 2: checkinterval in virtual service fwm:5 ignored when fork=no'],
    },
    {
      name: 'real in virtual6',
      lines: ['virtual6=5', '    real=10.0.0.1 gate', '    fallback=10.0.0.1 gate'],
      errors: [
        '2: cannot specify "real" here.  please use "real6" instead',
        '3: cannot specify "fallback" here.  please use "fallback6" instead',
      ],
    },
    {
      name: 'a protocol of a mark',
      lines: ['virtual=5', '    protocol=tcp'],
      errors: ['2: protocol must be fwm if the virtual service is a fwmark (a number)'],
    },
    {
      name: 'a prefix length that is none',
      lines: ['virtual6=5', '    netmask=129'],
      errors: ['2: invalid netmask: a prefix length between 1 and 128 is required'],
    },
    {
      name: 'a line that is too long',
      lines: ['x'.repeat(5000)],
      errors: ['1: longer than any line: 4096 characters'],
    },
  ])('$name is said as ldirectord says it', ({ lines, errors }) => {
    expect(said(parse(...lines))).toEqual(errors)
  })

  test.each([
    { written: 'real=10.0.0.1:80', error: 'invalid address for real server (wrong format)' },
    { written: 'real=10.0.0.1:80 nat', error: 'forward method must be gate, masq or ipip' },
    { written: 'real=10.0.0.1:80 gate foo', error: 'Invalid real server line, around " foo"' },
    { written: 'real=nobody:80 gate', error: 'invalid address (nobody) for real server (could not resolve host)' },
    { written: 'real=10.0.0.1:no gate', error: 'invalid port (no) for real server (could not resolve port)' },
    {
      written: 'real=10.0.0.9->10.0.0.1 gate',
      error: 'Invalid Range: 10.0.0.9-10.0.0.1: First value must be greater than or equal to the second value',
    },
    { written: 'real=0.0.0.0->255.255.255.255 gate', error: '0.0.0.0->255.255.255.255 are more than 65536 servers' },
    { written: 'request=/a', error: 'Unknown command "    request=/a"' },
    { written: 'request="/a#b"', error: 'Unknown command "    request="/a#b""' },
    { written: 'request=""', error: 'no request string specified' },
    { written: 'netmask=24', error: 'invalid netmask: dotted quad notation is required' },
    { written: 'checkport=0', error: 'checkport must be in range 1..65536' },
    { written: 'scheduler=WRR', error: 'invalid scheduler, should be only lowercase letters (a-z)' },
    { written: 'httpmethod=POST', error: 'httpmethod must be GET or HEAD' },
    { written: 'checktimeout=0', error: 'invalid check timeout' },
    { written: 'ops=1', error: "ops must be 'yes' or 'no'" },
    { written: 'protocol=fwm', error: 'protocol must be tcp or udp if the virtual service is an address and port' },
    { written: 'service=gopher', error: /^service must be dns, ftp, http, .* sip, smtp or submission$/ },
    { written: 'checktype=often', error: /^checktype must be "connect", .* or a positive number$/ },
    { written: 'persistent=long', error: 'invalid persistent timeout' },
  ])('$written is an error', ({ written, error }) => {
    const { findings, virtuals } = parse('virtual=10.0.0.1:80', `    ${written}`)
    const expected: unknown = typeof error === 'string' ? error : expect.stringMatching(error)
    expect(findings).toEqual([{ severity: 'error', line: 2, message: expected }])
    expect(virtuals).toEqual([])
  })

  test('junk before the address of a real server is passed over, and said', () => {
    const file = parse('virtual=10.0.0.1:80', '    real=@10.9.0.7:80 gate')
    expect(said(file)).toEqual(['warning 2: what stands before 10.9.0.7 is passed over, as by ldirectord: @'])
    expect(file.virtuals[0]?.reals).toMatchObject([{ address: '10.9.0.7', port: 80 }])
  })

  test('errors come in the order in which ldirectord would come to them', () => {
    const file = parse('virtual=nobody:80', '    real=x', '    fallback=nowhere', '    ops=1')
    expect(file.findings.map(({ line }) => line)).toEqual([4, 3, 1, 2])
  })

  test.each([
    { written: 'checktype=combined 12', key: 'checktype', value: { kind: 'combined', connects: 12 } },
    { written: 'checktimeout=about 7 or 8', key: 'checktimeout', value: 7 },
    { written: 'receive="a "b" c"', key: 'receive', value: 'a "b" c' },
    { written: 'virtualhost="www.shop"', key: 'virtualhost', value: 'www.shop' },
    { written: 'request="x"', key: 'request', value: '/x' },
    { written: 'checkcommand=/bin/x', key: 'checkcommand', value: '/bin/x' },
    { written: 'httpmethod=head', key: 'httpmethod', value: 'HEAD' },
    { written: 'persistent=600', key: 'persistent', value: 600 },
  ] as const)('$written is read as ldirectord reads it', ({ written, key, value }) => {
    expect(virtual(written)[key]).toEqual({ line: 2, value })
  })

  test('ftp and sip make up who asks, unless it is said before', () => {
    expect(virtual('service=ftp')).toMatchObject({
      login: { value: 'anonymous' },
      passwd: { value: 'ldirectord@here' },
    })
    expect(virtual('service=sip')).toMatchObject({ login: { value: 'ldirectord@here' } })
    expect(virtual('login="me"', 'service=ftp')).toMatchObject({ login: { value: 'me' } })
  })

  test('a range whose numbers are compared as text is read whole, with a warning', () => {
    const file = parse('virtual=5', '    real=59.154.201.255->59.154.202.0 gate')
    expect(file.virtuals[0]?.reals.map(({ address }) => address)).toEqual(['59.154.201.255', '59.154.202.0'])
    expect(file.findings.map(({ severity }) => severity)).toEqual(['warning'])
  })

  test('random text never throws', () => {
    const piece = fc.oneof(
      fc.string({ maxLength: 20 }),
      fc.constantFrom(
        'virtual=',
        'virtual6=',
        '    ',
        '\t',
        'real=',
        'real6=',
        'fallback=',
        '10.0.0.1',
        '[::1]',
        ':80',
        '->',
      ),
      fc.constantFrom(
        '\n',
        '\n',
        '\r\n',
        ' gate',
        ' masq 1 "a", "b"',
        'checktype=',
        'service=',
        '#',
        '"',
        'yes',
        '=',
        '12',
      ),
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => {
        const text = pieces.join('')
        const { findings } = parseLdirectord(text, names)
        for (const { line } of findings) expect(line).toBeGreaterThan(0)
      }),
      { numRuns: 2000 },
    )
  })
})

test("a server's own request that begins with a slash is taken, and ldirectord's fault said", () => {
  const file = parse('virtual=10.0.0.1:80', '    real=10.9.0.1:80 masq 1 "/a", "b" u:9')
  expect(file.virtuals[0]?.reals).toMatchObject([{ exchange: { request: '/a', receive: 'b' }, upperThreshold: 9 }])
  expect(file.findings).toMatchObject([{ severity: 'warning', line: 2 }])
})

describe('a random model', () => {
  const word = fc.stringMatching(/^[a-zA-Z0-9/._-]{1,12}$/)
  const address = fc.tuple(fc.nat(255), fc.nat(255)).map(([a, b]) => `10.0.${a}.${b}`)
  const forward = fc.constantFrom('gate' as const, 'masq' as const, 'ipip' as const)
  const port = fc.integer({ min: 1, max: 65_535 })
  const seconds = fc.integer({ min: 1, max: 99_999 })
  const real = fc.record(
    {
      address,
      port,
      forward,
      weight: fc.nat(65_535),
      exchange: fc.record({ request: word.map((text) => `/${text.replace(/^\/+/, '')}`), receive: word }),
      lowerThreshold: seconds,
      upperThreshold: seconds,
    },
    { requiredKeys: ['address', 'port', 'forward', 'weight'] },
  )
  const settings = fc.record(
    {
      checktimeout: seconds,
      negotiatetimeout: seconds,
      failurecount: seconds,
      checkport: port,
      persistent: seconds,
      emailalertfreq: seconds,
      quiescent: fc.boolean(),
      cleanstop: fc.boolean(),
      ops: fc.boolean(),
      checkcommand: word,
      virtualhost: word,
      servicename: word,
      request: word.map((text) => `/${text}`),
      receive: word,
      secret: word,
      database: word,
      httpmethod: fc.constantFrom('GET', 'HEAD'),
      scheduler: fc.constantFrom('rr', 'wlc', 'sh'),
      checktype: fc.constantFrom(...checkTypes).map((kind) => ({ kind })),
    },
    { requiredKeys: [] },
  )
  const model = fc.uniqueArray(
    fc.record({ port, service: fc.constantFrom(...checkServices), reals: fc.array(real, { maxLength: 4 }), settings }),
    { maxLength: 5, selector: ({ port }) => port },
  )
  const quotedKeys = ['request', 'receive', 'secret', 'database']
  const valueText = (key: string, value: unknown): string => {
    if (typeof value === 'boolean') return value ? 'yes' : 'no'
    if (typeof value === 'object' && value !== null && 'kind' in value) return String(value.kind)
    return quotedKeys.includes(key) ? `"${String(value)}"` : String(value)
  }

  test('written as a file is read as the same model', () => {
    fc.assert(
      fc.property(model, (virtuals) => {
        const lines = virtuals.flatMap(({ port, service, reals, settings }) => [
          `virtual=10.1.1.1:${port}`,
          ...Object.entries(settings).map(([key, value]) => `\t${key}=${valueText(key, value)}`),
          `\tservice=${service}`,
          ...reals.map(({ address, port, forward, weight, exchange, lowerThreshold, upperThreshold }) =>
            [
              `    real=${address}:${port} ${forward} ${weight}`,
              // Where it begins with a slash, ldirectord does not take it.
              ...(exchange === undefined ? [] : [`"${exchange.request.slice(1)}", "${exchange.receive}"`]),
              ...(lowerThreshold === undefined ? [] : [`l:${lowerThreshold}`]),
              ...(upperThreshold === undefined ? [] : [`u:${upperThreshold}`]),
            ].join(' '),
          ),
          '',
        ])
        const file = parse(...lines)
        expect(said(file)).toEqual([])
        for (const [index, { port, service, reals, settings }] of virtuals.entries()) {
          const read = file.virtuals[index]
          expect(read).toMatchObject({ id: { address: '10.1.1.1', port }, service })
          expect(read?.reals.map((one) => ({ ...one, line: 0 }))).toEqual(reals.map((one) => ({ ...one, line: 0 })))
          for (const [key, value] of Object.entries(settings))
            expect(read).toHaveProperty(key, { line: expect.any(Number), value })
        }
      }),
    )
  })
})
