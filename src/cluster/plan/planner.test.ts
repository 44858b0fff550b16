import { describe, expect, test } from 'vitest'
import { buildService } from '../../../test/build/services.ts'
import { buildPool, buildServiceSpec, buildSpec, mebibyte } from '../../../test/build/spec.ts'
import type { ClusterServices } from '../../director/control.ts'
import type { EbpfTuning } from '../../engines/ebpf/tuning.ts'
import type { GuestDefinition, GuestState } from '../../guests/hypervisor.ts'
import { guestDefinition } from '../apply/definition.ts'
import type { ClusterSpec, HostSpec } from '../spec/model.ts'
import type { Observed, ObservedDirector, ObservedHost, Plan } from './plan.ts'
import { planDown, planUp } from './planner.ts'
import { wantedGuests, wantedServices } from './wanted.ts'

const built = { digest: 'd', kernel: '/k', cmdline: '' }

const host = (name: string): HostSpec => ({ name, hypervisor: 'fake' })

function director(services: ClusterServices | undefined, changes: Partial<ObservedDirector> = {}): ObservedDirector {
  return { engine: 'fake', services, unwell: [], servesOthers: false, ...changes }
}

type Changes = {
  readonly guest?: (state: GuestState) => GuestState | undefined
  readonly host?: (name: string, observed: ObservedHost) => ObservedHost
}

/** The hosts as they are when the spec stands. */
function standing(
  spec: ClusterSpec,
  { guest = (state) => state, host: change = (_, one) => one }: Changes = {},
): Observed {
  const guests = new Map<string, GuestState[]>(Object.keys(spec.hosts).map((name) => [name, []]))
  const all = new Map<string, GuestState>()
  let port = 20_000
  for (const { host, guest: wanted } of wantedGuests(spec).values()) {
    const definition = guestDefinition(wanted, built)
    const forwards = definition.network.kind === 'user' ? definition.network.forwards : []
    const reach = forwards.map((forward) => ({
      protocol: forward.protocol,
      guestPort: forward.port,
      address: '127.0.0.1',
      port: port++,
    }))
    const state: GuestState = { definition, state: 'running', id: port++, reach }
    all.set(definition.name, state)
    const changed = guest(state)
    if (changed !== undefined) guests.get(host)?.push(changed)
  }
  const services = wantedServices(spec, all, undefined)
  const directing = new Set(services.services.length === 0 ? [] : spec.directors.hosts)
  const hosts = [...guests].map(([name, states]) => {
    const one = { guests: states, director: directing.has(name) ? director(services) : undefined }
    return [name, change(name, one)] as const
  })
  return {
    hosts: new Map(hosts),
    digests: new Map([['tiny', 'd']]),
    built: new Set([...guests.keys()].map((name) => `${name}/d`)),
  }
}

function planned(spec: ClusterSpec, observed: Observed): Plan {
  const result = planUp(spec, observed)
  if (result.kind !== 'plan') throw new Error(JSON.stringify(result))
  return result.plan
}

/** Each step's id with its reason and what it waits for. */
const steps = (plan: Plan): string[][] =>
  plan.steps.map(({ id, reason, needs, after }) => [id, reason, ...needs, ...after.map((one) => `(${one})`)])

const crash = (state: GuestState): GuestState => ({ definition: state.definition, state: 'crashed', reach: [] })
const redefine =
  (change: Partial<GuestDefinition>) =>
  (state: GuestState): GuestState => ({
    ...state,
    definition: { ...state.definition, ...change },
  })

describe('the plan for what stands', () => {
  test('is empty when everything is as wanted', () => {
    const spec = buildSpec()
    expect(planned(spec, standing(spec))).toEqual({
      cluster: 'shop',
      steps: [],
      blast: { guests: 0, ofGuests: 2, servers: 0, ofServers: 2 },
    })
  })

  test.each<{ name: string; change: (state: GuestState) => GuestState; step: string[] }>([
    { name: 'a crashed guest is started', change: crash, step: ['guest.start local/web-1', 'its process is gone'] },
    {
      name: 'a stopped guest is started',
      change: (one) => ({ ...crash(one), state: 'stopped' }),
      step: ['guest.start local/web-1', 'it is stopped'],
    },
    {
      name: 'a saved guest is started',
      change: (one) => ({ ...crash(one), state: 'saved' }),
      step: ['guest.start local/web-1', 'it is saved'],
    },
    {
      name: 'a paused guest is started',
      change: (one) => ({ ...one, state: 'paused' }),
      step: ['guest.start local/web-1', 'it is paused'],
    },
    {
      name: 'memory restarts',
      change: redefine({ memoryBytes: 64 * mebibyte }),
      step: ['guest.restart local/web-1', 'memory changes from 64M to 128M'],
    },
    {
      name: 'two changes are both named',
      change: redefine({ memoryBytes: 64 * mebibyte, vcpus: 3 }),
      step: ['guest.restart local/web-1', 'memory changes from 64M to 128M, vcpus change from 3 to 1'],
    },
    {
      name: 'another firmware and a screen that is not wanted restart',
      change: redefine({ hardware: { firmware: 'uefi', graphics: { type: 'vnc', listen: '::1', port: 5901 } } }),
      step: [
        'guest.restart local/web-1',
        'firmware changes from uefi to bios, graphics changes from vnc at [::1]:5901 to none',
      ],
    },
    {
      name: 'a seed that is no longer wanted restarts',
      change: redefine({ seed: { digest: 'x' } }),
      step: ['guest.restart local/web-1', 'its seed goes'],
    },
    {
      name: 'a network of another kind restarts',
      change: redefine({ network: { kind: 'bridge', bridge: 'br0' } }),
      step: ['guest.restart local/web-1', 'network changes from br0 dhcp to user'],
    },
    {
      name: 'storage elsewhere replaces',
      change: redefine({ disks: [{ sizeBytes: 1024 * mebibyte, directory: '/srv/old' }] }),
      step: [
        'guest.replace local/web-1',
        "replace because disk changes from 1G to the image's own size, storage moves from /srv/old to the usual place",
      ],
    },
    {
      name: 'an image of another digest replaces',
      change: redefine({ image: 'old' }),
      step: ['guest.replace local/web-1', 'replace because image tiny changed'],
    },
    {
      name: 'another disk size replaces',
      change: redefine({ disks: [{ sizeBytes: 1024 * mebibyte }] }),
      step: ['guest.replace local/web-1', "replace because disk changes from 1G to the image's own size"],
    },
    {
      name: 'swap that goes replaces, and is no disk like others',
      change: redefine({ disks: [{ sizeBytes: 64 * mebibyte, isSwap: true }] }),
      step: ['guest.replace local/web-1', 'replace because swap changes from 64M to none'],
    },
    {
      name: 'autostart is changed in place',
      change: redefine({ autostart: true }),
      step: ['guest.update local/web-1', 'autostart is switched off'],
    },
  ])('$name', ({ change, step }) => {
    const spec = buildSpec({ services: [] })
    const observed = standing(spec, { guest: (state) => (state.definition.name === 'web-1' ? change(state) : state) })
    expect(steps(planned(spec, observed))).toEqual([step])
  })

  test('a guest that is down and differs only in what is changed in place is changed, then started', () => {
    const spec = buildSpec({ services: [], guests: [buildPool('web', { count: 1 })] })
    const observed = standing(spec, { guest: (state) => crash(redefine({ autostart: true })(state)) })
    expect(steps(planned(spec, observed))).toEqual([
      ['guest.update local/web-1', 'autostart is switched off'],
      ['guest.start local/web-1', 'its process is gone', 'guest.update local/web-1'],
    ])
  })

  test('restarts of a pool are a chain; two pools go side by side', () => {
    const spec = buildSpec({ services: [], guests: [buildPool('web'), buildPool('db')] })
    const observed = standing(spec, { guest: redefine({ vcpus: 2 }) })
    expect(planned(spec, observed).steps.map(({ id, needs }) => [id, ...needs])).toEqual([
      ['guest.restart local/web-1'],
      ['guest.restart local/web-2', 'guest.restart local/web-1'],
      ['guest.restart local/db-1'],
      ['guest.restart local/db-2', 'guest.restart local/db-1'],
    ])
  })

  test('a pool that moves to another host goes one by one, and never stands twice', () => {
    const hosts = [host('h1'), host('h2')]
    const spec = buildSpec({ hosts, services: [], guests: [buildPool('web', { host: 'h2' })] })
    const observed = standing(buildSpec({ hosts, services: [], guests: [buildPool('web', { host: 'h1' })] }))
    expect(steps(planned(spec, observed))).toEqual([
      ['guest.remove h1/web-1', 'it moves to h2'],
      ['guest.create h2/web-1', 'it moves here from h1', 'guest.remove h1/web-1'],
      ['guest.remove h1/web-2', 'it moves to h2', 'guest.create h2/web-1'],
      ['guest.create h2/web-2', 'it moves here from h1', 'guest.remove h1/web-2'],
    ])
    expect(planned(spec, observed).blast).toMatchObject({ guests: 2, ofGuests: 2 })
  })

  test.each([
    { name: 'made by hand', mark: {}, words: 'guest web-1 on local was made by hand' },
    {
      name: 'of another cluster',
      mark: { mark: { cluster: 'other', pool: 'web' } },
      words: 'guest web-1 on local belongs to cluster other',
    },
  ])('a guest $name that has a wanted name is a conflict', ({ mark, words }) => {
    const spec = buildSpec()
    const observed = standing(spec, {
      guest: (state) => {
        const { mark: _mark, ...definition } = state.definition
        return state.definition.name === 'web-1' ? { ...state, definition: { ...definition, ...mark } } : state
      },
    })
    expect(planUp(spec, observed)).toEqual({
      kind: 'conflicts',
      conflicts: [`${words}: rename the pool, or take that guest away first`],
    })
  })

  test("another's guest of a like name on another host is not taken for a server", () => {
    const hosts = [host('local'), host('h2')]
    const spec = buildSpec({ hosts })
    const foreign =
      standing(buildSpec({ hosts, guests: [buildPool('web', { host: 'h2' })] })).hosts.get('h2')?.guests ?? []
    const byHand = foreign.map(({ definition: { mark: _mark, ...definition }, ...state }) => ({ ...state, definition }))
    const observed = standing(spec, { host: (name, one) => (name === 'h2' ? { ...one, guests: byHand } : one) })
    expect(planned(spec, observed).steps).toEqual([])
  })
})

describe('the plan for directors and services', () => {
  const withDirector = (change: (standing: ObservedDirector | undefined) => ObservedDirector | undefined): Changes => ({
    host: (_name, one) => ({ ...one, director: change(one.director) }),
  })

  test('a director that is gone is started and gets everything again', () => {
    const spec = buildSpec()
    expect(
      steps(
        planned(
          spec,
          standing(
            spec,
            withDirector(() => undefined),
          ),
        ),
      ),
    ).toEqual([
      ['director.start local', 'none runs'],
      ['services.apply local', 'service www is new', 'director.start local'],
      ['services.wait local', 'until the servers are healthy', 'services.apply local'],
    ])
  })

  test('another engine starts the director anew', () => {
    const spec = buildSpec()
    const observed = standing(
      spec,
      withDirector((one) => one && { ...one, engine: 'userspace' }),
    )
    expect(steps(planned(spec, observed))).toEqual([['director.start local', 'engine changes from userspace to fake']])
    expect(planned({ ...spec, directors: { hosts: ['local'], engine: 'auto' } }, observed).steps).toEqual([])
  })

  test('an ebpf engine that is to begin otherwise does so, and one that was tuned by hand is left alone', () => {
    const tuned = { limits: { connections: 5000 } }
    const spec = { ...buildSpec(), directors: { hosts: ['local'], engine: 'ebpf' as const, ebpf: tuned } }
    const running = (ebpf: EbpfTuning) =>
      standing(
        spec,
        withDirector((one) => one && { ...one, engine: 'ebpf', ebpf }),
      )
    expect(planned(spec, running(tuned)).steps).toEqual([])
    expect(planned(spec, running({ limits: { connections: 64 } })).steps.map(({ action }) => action)).toEqual([
      { kind: 'director.start', host: 'local', engine: 'ebpf', ebpf: tuned },
    ])
    const untold = { ...spec, directors: { hosts: ['local'], engine: 'ebpf' as const } }
    expect(planned(untold, running({ xdp: 'auto' })).steps).toEqual([])
  })

  test.each<{ name: string; before: Parameters<typeof buildServiceSpec>[1]; reason: string }>([
    {
      name: 'scheduler',
      before: { service: buildService({ scheduler: 'wlc' }) },
      reason: 'www: scheduler changes from wlc to rr',
    },
    {
      name: 'address',
      before: { service: buildService({ id: { kind: 'address', protocol: 'tcp', address: '127.0.0.1', port: 81 } }) },
      reason: 'www: address changes from tcp 127.0.0.1:81 to tcp 127.0.0.1:8080',
    },
    {
      name: 'weight',
      before: { servers: [{ kind: 'guests', guests: 'web', port: 80, weight: 5 }] },
      reason: 'www: weight of web-1:80 changes from 5 to 1; www: weight of web-2:80 changes from 5 to 1',
    },
    {
      name: 'PROXY protocol and persistence',
      before: {
        service: buildService({ proxyProtocol: 'v2', persistence: { timeoutSeconds: 300, mask: '255.255.0.0' } }),
      },
      reason: 'www: persistence changes from 5m mask 255.255.0.0 to none; www: PROXY protocol changes from v2 to none',
    },
    {
      name: 'set of rules',
      before: { service: buildService({ application: { kind: 'sni', rules: [{ match: {}, pool: 'api' }] } }) },
      reason: 'www: sni is not read any more',
    },
    {
      name: 'threshold',
      before: { servers: [{ kind: 'guests', guests: 'web', port: 80, weight: 1, upperThreshold: 9 }] },
      reason:
        'www: thresholds of web-1:80 change from 9/0 to none; www: thresholds of web-2:80 change from 9/0 to none',
    },
    { name: 'failure', before: { onFailure: 'remove' }, reason: 'www: on-failure changes from remove to drain' },
    {
      name: 'fallback',
      before: { fallback: { address: '127.0.0.1', port: 9 } },
      reason: 'www: fallback changes from 127.0.0.1:9 to none',
    },
    {
      name: 'check',
      before: { checks: [{ probe: { kind: 'tcp' }, everyMs: 20, timeoutMs: 100, rise: 1, fall: 1 }] },
      reason: 'www: its check runs every 10ms instead of 20ms',
    },
    {
      name: 'plain server',
      before: {
        servers: [
          { kind: 'guests', guests: 'web', port: 80, weight: 1 },
          { kind: 'address', endpoint: { address: '127.0.0.1', port: 7 }, weight: 1 },
        ],
      },
      reason: 'www: server 127.0.0.1:7 leaves',
    },
  ])('a changed $name of a service is only a change of the services', ({ before, reason }) => {
    const observed = standing(buildSpec({ services: [buildServiceSpec('www', before)] }))
    expect(steps(planned(buildSpec(), observed)).slice(0, 1)).toEqual([['services.apply local', reason]])
  })

  test('when a service moves to another port, the old one is closed after it has moved', () => {
    const spec = buildSpec({
      guests: [buildPool('web', { count: 1 })],
      services: [buildServiceSpec('www', { servers: [{ kind: 'guests', guests: 'web', port: 81, weight: 1 }] })],
    })
    const plan = planned(spec, standing(buildSpec({ guests: [buildPool('web', { count: 1 })] })))
    expect(steps(plan)).toEqual([
      ['guest.update local/web-1', 'port 81/tcp is forwarded'],
      [
        'services.apply local',
        'www: server web-1:80 leaves; www: server web-1:81 is not reached anywhere yet',
        '(guest.update local/web-1)',
      ],
      ['services.wait local', 'until the servers are healthy', 'services.apply local'],
      [
        'guest.update local/web-1 ports',
        'port 80/tcp is no longer used',
        'guest.update local/web-1',
        'services.apply local',
      ],
    ])
    expect(
      plan.steps.flatMap(({ action }) =>
        'guest' in action && typeof action.guest === 'object' ? [action.guest.network] : [],
      ),
    ).toEqual([
      {
        kind: 'user',
        forwards: [
          { protocol: 'tcp', port: 81 },
          { protocol: 'tcp', port: 80 },
        ],
      },
      { kind: 'user', forwards: [{ protocol: 'tcp', port: 81 }] },
    ])
  })

  test('a guest that is reached elsewhere is said', () => {
    const spec = buildSpec()
    const observed = standing(spec, {
      guest: (state) => ({ ...state, reach: state.reach.map((reach) => ({ ...reach, port: reach.port + 100 })) }),
    })
    expect(planned(spec, observed).steps[0]?.reason).toBe(
      'www: server web-1:80 is reached elsewhere now; www: server web-2:80 is reached elsewhere now',
    )
  })

  test('a guest that is down keeps its place, so that nothing else changes', () => {
    const spec = buildSpec()
    const observed = standing(spec, { guest: (state) => (state.definition.name === 'web-2' ? crash(state) : state) })
    expect(steps(planned(spec, observed))).toEqual([
      ['guest.start local/web-2', 'its process is gone'],
      ['services.apply local', 'its guests change', '(guest.start local/web-2)'],
      ['services.wait local', 'until the servers are healthy', 'services.apply local'],
    ])
  })

  test.each([
    { name: 'is stopped when it has nothing else to serve', servesOthers: false, stops: true },
    { name: 'stays while it serves others', servesOthers: true, stops: false },
  ])('a director whose services are no longer wanted $name', ({ servesOthers, stops }) => {
    const observed = standing(
      buildSpec(),
      withDirector((one) => one && { ...one, servesOthers }),
    )
    expect(planned(buildSpec({ services: [] }), observed).steps.map(({ id }) => id)).toEqual([
      'services.remove local',
      ...(stops ? ['director.stop local'] : []),
      'guest.update local/web-1 ports',
      'guest.update local/web-2 ports',
    ])
  })

  test('a director that an interrupted run left without services is stopped', () => {
    const spec = buildSpec({ services: [] })
    const idle = withDirector(() => director(undefined))
    expect(steps(planned(spec, standing(spec, idle)))).toEqual([['director.stop local', 'it has nothing to serve']])
    expect(planDown(spec, standing(spec, idle)).steps.map(({ id }) => id)).toContain('director.stop local')
  })

  test("a host that shares another's director has no director of its own to start, stop or change", () => {
    const hosts = [host('local'), host('h2')]
    const spec = { ...buildSpec({ hosts }), directors: { hosts: ['local', 'h2'], engine: 'fake' } } as const
    const share: Changes = {
      host: (name, one) =>
        name === 'h2' ? { guests: one.guests, director: undefined, sharesDirectorOf: 'local' } : one,
    }
    expect(planned(spec, standing(spec, share)).steps).toEqual([])
    expect(planDown(spec, standing(spec, share)).steps.map(({ id }) => id)).toEqual([
      'services.remove local',
      'guest.remove local/web-1',
      'guest.remove local/web-2',
      'director.stop local',
    ])
  })
})
