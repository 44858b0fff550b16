import { describe, expect, test } from 'vitest'
import type { DirectorStatus } from '../../director/control.ts'
import { Bug, InfraError } from '../../errors.ts'
import type { GuestState } from '../../guests/hypervisor.ts'
import { drainView, parseDrainTarget } from '../local/drain-command.ts'
import { guestJson, ofCluster, statusJson } from '../local/status.ts'
import { errorLines } from '../output.ts'
import { plainPaint } from '../terminal/paint.ts'
import { guestsView } from './guests.ts'
import { imagesView } from './images.ts'
import { machineInfoView } from './info.ts'
import { outcomeView } from './outcome.ts'
import { planJson, planView } from './plan.ts'
import { statusView } from './status.ts'

const guest = (name: string, more: Partial<GuestState> = {}): GuestState => ({
  definition: {
    name,
    mark: { cluster: 'hello', pool: 'web' },
    memoryBytes: 128 * 1024 ** 2,
    vcpus: 1,
    image: 'd1',
    boot: { kind: 'disk' },
    disks: [],
    network: { kind: 'user', forwards: [{ protocol: 'tcp', port: 80 }] },
    autostart: false,
  },
  state: 'running',
  id: 7,
  reach: [{ protocol: 'tcp', guestPort: 80, address: '127.0.0.1', port: 40_001 }],
  acceleration: 'tcg',
  ...more,
})
const counters = { connections: 12, packetsIn: 0, packetsOut: 0, bytesIn: 10, bytesOut: 20 }
const server = {
  address: '127.0.0.1',
  port: 40_001,
  guest: 'web-1',
  forwarding: 'masq',
  wantedWeight: 1,
  weight: 1,
  health: 'healthy',
  detail: 'status 200',
  checks: [],
  reason: 'its check passes',
  drained: false,
  active: 1,
  inactive: 2,
  connections: 12,
  counters,
  fallback: false,
} as const
const director: DirectorStatus = {
  version: '0.1.0',
  pid: 99,
  startedAt: '2026-01-01T00:00:00.000Z',
  engine: 'userspace',
  capabilities: {
    protocols: ['tcp'],
    schedulers: ['rr'],
    forwarding: ['masq'],
    tunnels: [],
    tunnelChecksums: false,
    mixedFamilies: 'all',
    fwmark: false,
    persistence: false,
    persistenceEngines: [],
    onePacket: false,
    thresholds: false,
    proxyProtocol: true,
    idleTimeout: true,
    anyPort: false,
    applications: [],
    dns: false,
    syncDaemon: false,
    syncSeals: false,
    porting: { exports: 'none', changes: 'none', imports: 'none' },
    sysctls: [],
  },
  restarts: 1,
  clusters: [],
  routers: [],
  sync: [],
  problems: ['tcp 10.0.0.1:80: EADDRNOTAVAIL'],
  services: [
    {
      cluster: 'hello',
      name: 'www',
      counters,
      service: {
        id: { kind: 'address', protocol: 'tcp', address: '::1', port: 8080 },
        scheduler: 'rr',
        schedulerFlags: [],
        onePacket: false,
      },
      servers: [
        server,
        { ...server, port: 40_002, guest: 'web-2', drained: true, weight: 0 },
        { ...server, port: 9, guest: 'web-3', health: 'unhealthy', weight: undefined, detail: 'ECONN\u001b[2JREFUSED' },
      ],
    },
  ],
}
const guests = [
  guestJson('local', 'qemu', guest('web-1')),
  guestJson('local', 'qemu', guest('web-2', { state: 'crashed', reach: [] })),
]

describe('status', () => {
  test('joins guests and the director, and has what programs rely on', () => {
    const status = statusJson('local', guests, director)
    expect(status.guests[0]).toMatchObject({
      name: 'web-1',
      host: 'local',
      state: 'running',
      address: '127.0.0.1:40001',
    })
    expect(status.guests[1]).toMatchObject({ state: 'crashed', address: null })
    expect(status.services[0]).toMatchObject({ name: 'www', address: '[::1]:8080', scheduler: 'rr' })
    expect(status.services[0]?.servers[0]).toMatchObject({
      address: '127.0.0.1:40001',
      guest: 'web-1',
      weight: 1,
      health: 'healthy',
      active: 1,
      inactive: 2,
      connections: 12,
    })
    expect(status.services[0]?.servers[2]).toMatchObject({ weight: 0, inTable: false })
  })

  test('for people', () => {
    expect(statusView(statusJson('local', guests, director), plainPaint)).toMatchInlineSnapshot(`
      [
        "GUEST  STATE    HOST   CLUSTER  MEMORY  VCPUS  RUNS ON   ADDRESS",
        "web-1  running  local  hello      128M      1  qemu/tcg  127.0.0.1:40001",
        "web-2  crashed  local  hello      128M      1  qemu/tcg  -",
        "",
        "director: engine userspace, process 99, started again once",
        "problem: tcp 10.0.0.1:80: EADDRNOTAVAIL",
        "SERVICE / SERVER       GUEST  HEALTH     WEIGHT  ACTIVE  INACTIVE  CONNS  LAST CHECK",
        "www tcp [::1]:8080 rr                                 3         6     12",
        "  127.0.0.1:40001      web-1  healthy         1       1         2     12  status 200",
        "  127.0.0.1:40002      web-2  drained         0       1         2     12  status 200",
        "  127.0.0.1:9          web-3  unhealthy       -       1         2     12  ECONN?[2JREFUSED",
      ]
    `)
  })

  test('says who serves, what each check says, and why a weight is another than wanted', () => {
    const check = { kind: 'tcp', address: '127.0.0.1', port: 80, health: 'healthy', detail: 'connected' } as const
    const checks = [check, { ...check, kind: 'http', health: 'unhealthy', detail: 'status 500' } as const]
    const [service] = director.services
    if (service === undefined) throw new Error('no service')
    const servers = [
      { ...server, checks, health: 'unhealthy', detail: 'status 500', reason: 'its check fails' } as const,
      { ...server, weight: 5, wantedWeight: 10, reason: 'its agent says 50%' },
      { ...server, health: 'maintenance', detail: 'in maintenance', reason: 'in maintenance', weight: 0 } as const,
    ]
    const status = statusJson('local', [], { ...director, services: [{ ...service, state: 'panic', servers }] })
    expect(status.services[0]?.state).toBe('panic')
    expect(statusView(status, plainPaint).slice(-4)).toEqual([
      expect.stringContaining('panic: too few servers are usable, all get connections'),
      expect.stringContaining('tcp 80: connected; http 80: status 500'),
      expect.stringContaining('status 200 (its agent says 50%)'),
      expect.stringMatching(/in maintenance$/),
    ])
  })

  test('without a director still lists the guests', () => {
    const lines = statusView(statusJson('local', guests, undefined), plainPaint)
    expect(lines.join('\n')).toContain('web-1')
    expect(lines.at(-1)).toBe('no director runs')
    const silent = statusView(statusJson('local', guests, undefined, 'no answer in time'), plainPaint)
    expect(silent.at(-1)).toBe('the director does not answer: no answer in time')
  })

  test('of one cluster leaves the others out', () => {
    const status = statusJson('local', guests, director)
    expect(ofCluster(status, 'other')).toMatchObject({ guests: [], services: [] })
    expect(ofCluster(status, 'hello')).toEqual(status)
  })

  test('a guest on a bridge has its own address', () => {
    expect(guestJson('local', 'qemu', guest('a', { address: '10.0.0.7', reach: [] })).address).toBe('10.0.0.7')
  })
})

describe('views', () => {
  test('what up says at its end', () => {
    const outcome = {
      cluster: 'hello',
      file: "it's mine.yaml",
      changes: 3,
      open: [{ service: 'www', at: 'http://127.0.0.1:8080/' }],
      status: statusJson('local', [], undefined),
    }
    expect(outcomeView(outcome, plainPaint)).toMatchInlineSnapshot(`
      [
        "hello: runs",
        "",
        "no guests",
        "",
        "no director runs",
        "",
        "open:   http://127.0.0.1:8080/ (www)",
        "look:   baton status, baton top",
        "end it: baton down 'it'\\''s mine.yaml'",
      ]
    `)
    expect(outcomeView({ ...outcome, changes: 0 }, plainPaint)[0]).toBe(
      'hello: nothing to do, it runs as the file says',
    )
  })

  test('a plan: signs as in a patch, reasons, and what needs --yes', () => {
    const common = { needs: [], after: [] }
    const view = planView(
      {
        cluster: 'hello',
        blast: { guests: 2, ofGuests: 3, servers: 0, ofServers: 0 },
        needsYes: ['2 of 3 guests would be removed or replaced'],
        steps: [
          {
            ...common,
            id: 'guest.start local/web-1',
            action: { kind: 'guest.start', host: 'local', guest: 'web-1' },
            reason: 'it is stopped',
          },
          {
            ...common,
            id: 'guest.remove local/web-10',
            action: { kind: 'guest.remove', host: 'local', guest: 'web-10' },
            reason: 'it is no longer wanted',
          },
        ],
      },
      plainPaint,
    )
    expect(view).toMatchInlineSnapshot(`
      [
        "hello: 2 steps",
        "  +  guest.start local/web-1    it is stopped",
        "  -  guest.remove local/web-10  it is no longer wanted",
        "up would want --yes: 2 of 3 guests would be removed or replaced",
      ]
    `)
  })

  test('a plan in JSON does not have what seeds say', () => {
    const guest = {
      name: 'web',
      memoryBytes: 1,
      vcpus: 1,
      image: 'tiny',
      imageSpec: { kind: 'tiny' },
      seed: { userData: '#cloud-config\npassword: XYZZY\n' },
      network: { kind: 'user', forwards: [] },
      autostart: false,
    } as const
    const action = { kind: 'guest.create', host: 'a', guest } as const
    const step = { id: 'guest.create a/web', action, reason: 'it is not there', needs: [], after: [] }
    const blast = { guests: 0, ofGuests: 0, servers: 0, ofServers: 0 }
    const printed = JSON.stringify(planJson({ cluster: 'shop', steps: [step], blast }, []))
    expect(printed).toContain('"seed":{}')
    expect(printed).not.toContain('XYZZY')
  })

  test('an empty plan says so', () => {
    const blast = { guests: 0, ofGuests: 0, servers: 0, ofServers: 0 }
    expect(planView({ cluster: 'hello', steps: [], blast, needsYes: [] }, plainPaint)).toEqual(['hello: nothing to do'])
  })

  test('no guests and no images are said, not shown as empty tables', () => {
    expect(guestsView([], plainPaint)).toEqual(['no guests'])
    expect(imagesView([], plainPaint)).toEqual(['no images in the cache'])
  })

  test('images', () => {
    const image = {
      digest: '0123456789abcdef',
      name: 'tiny',
      names: ['tiny'],
      kind: 'tiny',
      sizeBytes: 20 * 1024 ** 2,
      builtAt: '2026-01-01T10:20:30.000Z',
      usedAt: '2026-01-02T10:00:00.000Z',
      givenNames: [],
      usedBy: ['web-1', 'web-2'],
    } as const
    expect(imagesView([image], plainPaint)).toEqual([
      'IMAGE  KIND  DIGEST        SIZE  BUILT             USED BY',
      'tiny   tiny  0123456789ab   20M  2026-01-01 10:20  web-1 web-2',
    ])
  })

  test('a machine whose hypervisor is missing says what to do', () => {
    const facts = {
      hostname: 'box',
      architecture: 'x86_64',
      kernel: '6.1',
      distribution: { id: 'debian', version: '12' },
      memoryBytes: 2 ** 34,
      availableMemoryBytes: 2 ** 33,
      cpus: 4,
      cpuFlags: [],
      isRoot: false,
      bootId: 'b',
    }
    const directories = { runtime: '/r', state: '/s', cache: '/c' }
    const hypervisors = [{ name: 'qemu', info: null, missing: 'qemu-system-x86_64 is not installed' }] as const
    expect(machineInfoView({ host: 'local', facts, directories, hypervisors }, plainPaint)).toContain(
      'qemu:       cannot run guests: qemu-system-x86_64 is not installed',
    )
  })
})

describe('drain', () => {
  test.each([
    { text: 'web-1', target: { guest: 'web-1' } },
    { text: '10.0.0.1:80', target: { endpoint: { address: '10.0.0.1', port: 80 } } },
    { text: '10.0.0.1', target: { endpoint: { address: '10.0.0.1', port: 0 } } },
    { text: '[fd00::1]:80', target: { endpoint: { address: 'fd00::1', port: 80 } } },
    { text: 'fd00::1', target: { endpoint: { address: 'fd00::1', port: 0 } } },
    { text: '[fd00::1]', target: { endpoint: { address: 'fd00::1', port: 0 } } },
  ])('$text means a guest or an endpoint', ({ text, target }) => {
    expect(parseDrainTarget(text)).toEqual(target)
  })

  test('what is neither is refused', () => {
    expect(() => parseDrainTarget('10.0.0.1:99999')).toThrow(InfraError)
    expect(() => parseDrainTarget('')).toThrow(InfraError)
  })

  test('says when there is no such server yet', () => {
    expect(drainView({ operation: 'drain', server: 'web-9', servers: 0 })).toEqual([
      'web-9: no such server now; it will be drained as soon as there is one',
    ])
  })
})

describe('errors', () => {
  test('an I/O failure has its hint, a bug its place', () => {
    const failure = new InfraError('missing-tool', 'qemu is missing', { subject: 'qemu', hint: 'install it' })
    expect(errorLines(failure)).toEqual(['baton: qemu is missing', 'hint: install it'])
    const [first, second] = errorLines(new Bug('no such step'))
    expect(first).toBe('baton: this is a bug in Baton: no such step')
    expect(second).toContain('views.test.ts')
  })
})
