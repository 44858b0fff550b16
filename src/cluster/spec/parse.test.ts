import { describe, expect, test } from 'vitest'
import type { EngineCapabilities } from '../../engines/engine.ts'
import { formatDiagnostic } from './diagnostic.ts'
import { type ParsedSpec, parseSpec, type SpecInput } from './parse.ts'

function parse(text: string, more: Partial<SpecInput> = {}): ParsedSpec {
  return parseSpec({ file: 'baton.yaml', text, environment: {}, readInclude: () => undefined, ...more })
}

function findings(parsed: ParsedSpec): string[] {
  return parsed.diagnostics.map(formatDiagnostic)
}

/** The design's example without what this version cannot do. */
const example = `
# baton.yaml
name: shop

hosts:
  hv1: { hypervisor: qemu, bridge: br0, storage: { dir: /srv/baton } }

images:
  web:  { debootstrap: bookworm, packages: [nginx-light], files: { /var/www/html/index.html: ./index.html } }
  db:   { disk: ~/debian-12-genericcloud-amd64.qcow2 }
  tiny: { kernel: ./vmlinuz, initrd: ../initrd.gz, cmdline: "console=ttyS0" }

guests:
  web: { count: 4, image: web, memory: 256M, vcpus: 1, disk: 8G, network: dhcp, autostart: true }

services:
  www:
    address: 192.168.1.10:80
    scheduler: wlc
    forwarding: masq
    persistence: 300s
    servers:
      - { guests: web, port: 80 }
      - { address: 192.168.1.9:80, weight: 2 }
    check: { http: /healthz, status: 200, every: 2s, timeout: 1s, rise: 2, fall: 3 }
    on-failure: drain                   # or remove (ldirectord's quiescent=no)
    fallback: 127.0.0.1:8081

directors:
  hosts: [hv1]
  engine: auto
`

describe('a good file', () => {
  test('the example says what it looks like', () => {
    const parsed = parse(example, {
      file: 'specs/baton.yaml',
      directory: '/home/me',
      environment: { HOME: '/home/ann' },
    })
    expect(findings(parsed)).toEqual([
      'specs/baton.yaml:14:92: warning: guests of QEMU start with their host only where baton-guests.service is enabled (baton host prepare HOST --as kvm enables it, baton host check HOST says whether it is)',
    ])
    expect(parsed.spec).toEqual({
      name: 'shop',
      hosts: { hv1: { name: 'hv1', hypervisor: 'qemu', bridge: 'br0', storage: { kind: 'dir', path: '/srv/baton' } } },
      images: {
        web: {
          kind: 'debootstrap',
          suite: 'bookworm',
          packages: ['nginx-light'],
          files: { '/var/www/html/index.html': '/home/me/specs/index.html' },
        },
        db: { kind: 'disk', path: '/home/ann/debian-12-genericcloud-amd64.qcow2' },
        tiny: {
          kind: 'kernel',
          kernel: '/home/me/specs/vmlinuz',
          initrd: '/home/me/initrd.gz',
          cmdline: 'console=ttyS0',
        },
      },
      guests: {
        web: {
          name: 'web',
          count: 4,
          image: 'web',
          memoryBytes: 256 * 1024 ** 2,
          vcpus: 1,
          diskBytes: 8 * 1024 ** 3,
          network: { kind: 'bridge', bridge: 'br0', addresses: [] },
          autostart: true,
        },
      },
      services: {
        www: {
          name: 'www',
          service: {
            id: { kind: 'address', protocol: 'tcp', address: '192.168.1.10', port: 80 },
            scheduler: 'wlc',
            schedulerFlags: [],
            persistence: { timeoutSeconds: 300, mask: '255.255.255.255' },
            onePacket: false,
          },
          forwarding: 'masq',
          servers: [
            { kind: 'guests', guests: 'web', port: 80, weight: 1 },
            { kind: 'address', endpoint: { address: '192.168.1.9', port: 80 }, weight: 2 },
          ],
          checks: [
            {
              probe: { kind: 'http', path: '/healthz', status: [200] },
              everyMs: 2000,
              timeoutMs: 1000,
              rise: 2,
              fall: 3,
            },
          ],
          onFailure: 'drain',
          fallback: { address: '127.0.0.1', port: 8081 },
        },
      },
      directors: { hosts: ['hv1'], engine: 'auto' },
    })
  })

  test('what is left out has its default', () => {
    const { spec } = parse(
      'name: a\nguests: { web: { image: tiny } }\nservices: { www: { address: "[::]:80", servers: [{ guests: web, port: 80 }], check: tcp } }',
    )
    expect(spec?.hosts).toEqual({ local: { name: 'local', hypervisor: 'qemu' } })
    expect(spec?.images).toEqual({ tiny: { kind: 'tiny' } })
    expect(spec?.guests['web']).toEqual({
      name: 'web',
      image: 'tiny',
      memoryBytes: 256 * 1024 ** 2,
      vcpus: 1,
      network: { kind: 'user' },
      autostart: false,
    })
    expect(spec?.services['www']).toEqual({
      name: 'www',
      service: {
        id: { kind: 'address', protocol: 'tcp', address: '::', port: 80 },
        scheduler: 'wlc',
        schedulerFlags: [],
        onePacket: false,
      },
      forwarding: 'masq',
      servers: [{ kind: 'guests', guests: 'web', port: 80, weight: 1 }],
      checks: [{ probe: { kind: 'tcp' }, everyMs: 2000, timeoutMs: 1000, rise: 2, fall: 3 }],
      onFailure: 'drain',
    })
    expect(spec?.directors).toEqual({ hosts: ['local'], engine: 'auto' })
  })

  test('sections with nothing in them are no sections', () => {
    const parsed = parse('name: a\nhosts:\nguests:\n  # web: { image: tiny }\nservices:\ndirectors:\ninclude:\n')
    expect(findings(parsed)).toEqual([])
    expect(parsed.spec?.guests).toEqual({})
  })

  test.each([
    ['200', [200]],
    ['"200-299"', [[200, 299]]],
    ['200-299', [[200, 299]]],
    ['[200, 301]', [200, 301]],
    ['["200-204", 301, "404"]', [[200, 204], 301, 404]],
  ])('status: %s is understood', (written, status) => {
    const { spec } = parse(
      `name: a\nservices: { w: { address: 1.1.1.1:1, servers: [], check: { http: /, status: ${written} } } }`,
    )
    expect(spec?.services['w']?.checks[0]?.probe).toEqual({ kind: 'http', path: '/', status })
  })

  test.each([
    ['true', { verify: false }],
    ['{ verify: true, sni: example.org }', { verify: true, sni: 'example.org' }],
    ['{}', { verify: false }],
    ['false', undefined],
  ])('tls: %s is understood', (written, tls) => {
    const { spec } = parse(
      `name: a\nservices: { w: { address: 1.1.1.1:1, servers: [], check: { http: /, tls: ${written} } } }`,
    )
    expect(spec?.services['w']?.checks[0]?.probe).toEqual({
      kind: 'http',
      path: '/',
      status: [200],
      ...(tls && { tls }),
    })
  })

  test.each([
    ['{ bridge: br1 }', { kind: 'bridge', bridge: 'br1', addresses: [] }],
    [
      '{ address: 10.0.0.5/24, gateway: 10.0.0.1 }',
      { kind: 'bridge', bridge: 'br0', addresses: ['10.0.0.5/24'], gateway: '10.0.0.1' },
    ],
    ['{ addresses: ["FD00::5/64"] }', { kind: 'bridge', bridge: 'br0', addresses: ['fd00::5/64'] }],
    ['dhcp', { kind: 'bridge', bridge: 'br0', addresses: [] }],
    ['user', { kind: 'user' }],
  ])('network: %s is understood', (written, network) => {
    const parsed = parse(`name: a\nhosts: { h: { bridge: br0 } }\nguests: { w: { image: tiny, network: ${written} } }`)
    expect(findings(parsed)).toEqual([])
    expect(parsed.spec?.guests['w']?.network).toEqual(network)
  })

  test.each([
    ['dhcp', { addresses: [] }],
    ['{ address: 10.99.0.5/24 }', { addresses: ['10.99.0.5/24'], gateway: '10.99.0.1' }],
    ['{ address: 10.99.0.5/24, gateway: 10.99.0.9 }', { addresses: ['10.99.0.5/24'], gateway: '10.99.0.9' }],
  ])('on a bridge that Baton makes, network: %s is understood', (written, network) => {
    const hosts = 'hosts: { h: { bridge: br0, bridge-address: 10.99.0.1/24 } }'
    const { spec } = parse(`name: a\n${hosts}\nguests: { w: { image: tiny, network: ${written} } }`)
    expect(spec?.guests['w']?.network).toEqual({
      kind: 'bridge',
      bridge: 'br0',
      bridgeAddress: '10.99.0.1/24',
      ...network,
    })
  })

  test('anchors, aliases and merge keys give values; what a map says itself goes first', () => {
    const { spec } = parse(
      'name: a\nguests:\n  x: &x { image: tiny, memory: 1G, vcpus: 2 }\n  y: { <<: *x, vcpus: 4 }\n  z: *x\n',
    )
    expect(
      Object.values(spec?.guests ?? {}).map(({ name, memoryBytes, vcpus }) => [name, memoryBytes / 1024 ** 3, vcpus]),
    ).toEqual([
      ['x', 1, 2],
      ['y', 1, 4],
      ['z', 1, 2],
    ])
  })

  test('a byte order mark and Windows line ends do not move places', () => {
    const { diagnostics } = parse('\ufeffname: a\r\nguests:\r\n  web: { image: tiny, vcpus: 0 }\r\n')
    expect(diagnostics).toMatchObject([{ line: 3, column: 30 }])
  })
})

describe('places', () => {
  const { places } = parse(
    'name: a\nguests:\n  web:\n    image: tiny\n    memory: 1G\nservices:\n  www: { address: 1.1.1.1:1, servers: [{ guests: web, port: 80 }] }\n',
  )

  test.each([
    [['guests', 'web', 'memory'], 5, 13],
    [['guests', 'web', 'vcpus'], 3, 3],
    [['services', 'www', 'servers', 0, 'port'], 7, 61],
    [['services', 'www', 'servers', 1, 'port'], 7, 30],
    [['hosts', 'local'], 1, 1],
  ] as const)('%j stands at %d:%d', (path, line, column) => {
    expect(places(path)).toEqual({ file: 'baton.yaml', line, column })
  })
})

describe('warnings', () => {
  test.each([
    [
      'services: { w: { address: 1.1.1.1:1, servers: [] } }',
      'baton.yaml:2:47: warning: w has no servers: every connection is refused',
    ],
    [
      'services: { w: { address: 1.1.1.1:1, protocol: udp, servers: [], fallback: 1.1.1.1:2, check: tcp } }',
      'baton.yaml:2:94: warning: the service is UDP, but the check opens TCP connections to the same port',
    ],
    [
      'services: { a: { address: 0.0.0.0:1, servers: [{ address: 1.1.1.1:2 }] }, w: { address: 1.1.1.1:1, servers: [{ address: 1.1.1.1:2 }] } }',
      'baton.yaml:2:89: warning: a takes port 1 of all addresses: w may not get it',
    ],
  ])('%s is doubtful, but a spec', (line, finding) => {
    const parsed = parse(`name: a\n${line}\n`)
    expect(findings(parsed)).toEqual([finding])
    expect(parsed.spec).toBeDefined()
  })
})

describe('what the chosen engine cannot do', () => {
  const capabilities: EngineCapabilities = {
    protocols: ['tcp'],
    schedulers: ['rr', 'wlc'],
    forwarding: ['masq'],
    tunnels: [],
    tunnelChecksums: false,
    mixedFamilies: 'all',
    fwmark: false,
    persistence: false,
    persistenceEngines: [],
    onePacket: false,
    thresholds: false,
    proxyProtocol: false,
    idleTimeout: false,
    anyPort: false,
    applications: [],
    dns: false,
    syncDaemon: false,
    syncSeals: false,
    porting: { exports: 'none', changes: 'none', imports: 'none' },
    sysctls: [],
  }
  const text = [
    'name: a',
    'services:',
    '  w:',
    '    address: 1.1.1.1:1',
    '    servers: [{ address: 1.1.1.2:1, upper-threshold: 5 }, { address: 1.1.1.3:1,',
    '      forwarding: tunnel }]',
    '    protocol: udp',
    '    scheduler: sh',
    '    forwarding: direct',
    '    persistence: 5m',
    '    idle-timeout: 5m',
    '    proxy-protocol: v2',
    '    one-packet: true',
    '  x: { servers: [], fallback: 1.1.1.1:2,',
    '    mark: 5 }',
    '  y: { servers: [], fallback: 1.1.1.1:2, address: 1.1.1.1:53,',
    '    dns: { name: a } }',
    '  z: { servers: [], fallback: 1.1.1.1:2, address: 1.1.1.1:443,',
    '    sni: {} }',
    '  p: { servers: [], fallback: 1.1.1.1:2, persistence: 1s,',
    '    address: 1.1.1.5:0 }',
    'directors:',
    '  sysctls:',
    '    pmtu_disc: 1',
    '    drop_entry: 3',
  ].join('\n')

  test('is said at the key that asks for it', () => {
    const parsed = parse(text, { engine: () => ({ name: 'userspace', capabilities }) })
    expect(parsed.diagnostics.map(({ line, message }) => [line, message])).toEqual([
      [5, 'the userspace engine has no connection thresholds'],
      [6, 'the userspace engine cannot forward by tunnel'],
      [7, 'the userspace engine does not carry udp'],
      [8, 'the userspace engine has no scheduler sh'],
      [9, 'the userspace engine cannot forward by direct'],
      [10, 'the userspace engine has no persistence'],
      [11, 'the userspace engine has no idle timeout of its own'],
      [12, 'the userspace engine cannot speak the PROXY protocol'],
      [13, 'the userspace engine has no one-packet scheduling'],
      [15, 'the userspace engine has no firewall-mark services'],
      [17, 'the userspace engine has no DNS-based services'],
      [19, 'the userspace engine does not read sni'],
      [20, 'the userspace engine has no persistence'],
      [21, 'the userspace engine needs a port, not 0'],
      [25, 'the userspace engine does not heed drop_entry'],
    ])
    expect(parsed.spec).toBeUndefined()
  })

  test('is not asked where the engine is not known', () => {
    expect(findings(parse(text))).toEqual([])
  })
})
