/** How long a plan takes: 10,000 guests on 500 hosts, against walking and copying the same data once as JSON. */

import { guestDefinition } from '../../src/cluster/apply/definition.ts'
import type { Observed, ObservedDirector, ObservedHost } from '../../src/cluster/plan/plan.ts'
import { planUp } from '../../src/cluster/plan/planner.ts'
import { wantedGuests, wantedServices } from '../../src/cluster/plan/wanted.ts'
import type { ClusterSpec } from '../../src/cluster/spec/model.ts'
import type { GuestState } from '../../src/guests/hypervisor.ts'
import { buildService } from '../../test/build/services.ts'
import { buildPool, buildServiceSpec, buildSpec } from '../../test/build/spec.ts'

const hostCount = 500
const guestsPerHost = 20
const rounds = 9

const names = Array.from({ length: hostCount }, (_, index) => `h${index + 1}`)

const spec: ClusterSpec = buildSpec({
  hosts: names.map((name) => ({ name, hypervisor: 'fake' })),
  guests: names.map((host, index) => buildPool(`pool${index + 1}`, { host, count: guestsPerHost })),
  services: names.map((_host, index) =>
    buildServiceSpec(`service${index + 1}`, {
      service: buildService({ id: { kind: 'address', protocol: 'tcp', address: '127.0.0.1', port: 10_000 + index } }),
      servers: [{ kind: 'guests', guests: `pool${index + 1}`, port: 80, weight: 1 }],
    }),
  ),
})

/** Hosts on which all guests run and are served, those of `differs` with less memory than wanted. */
function standing(differs: (index: number) => boolean): Observed {
  const all = new Map<string, GuestState>()
  const guests = new Map<string, GuestState[]>(names.map((name) => [name, []]))
  let index = 0
  for (const { host, guest } of wantedGuests(spec).values()) {
    const memoryBytes = differs(index) ? guest.memoryBytes / 2 : guest.memoryBytes
    const definition = guestDefinition({ ...guest, memoryBytes }, { digest: 'd', kernel: '/k', cmdline: '' })
    const reach = [{ protocol: 'tcp', guestPort: 80, address: '127.0.0.1', port: 20_000 + (index % 40_000) }] as const
    const state: GuestState = { definition, state: 'running', id: index, reach }
    guests.get(host)?.push(state)
    all.set(definition.name, state)
    index += 1
  }
  const services = wantedServices(spec, all, undefined)
  const director: ObservedDirector = { engine: 'fake', services, unwell: [], servesOthers: false }
  const hosts = new Map<string, ObservedHost>(
    [...guests].map(([name, states]) => [name, { guests: states, director: name === names[0] ? director : undefined }]),
  )
  return { hosts, digests: new Map([['tiny', 'd']]), built: new Set(names.map((name) => `${name}/d`)) }
}

const empty: Observed = {
  hosts: new Map(names.map((name) => [name, { guests: [], director: undefined }])),
  digests: new Map([['tiny', 'd']]),
  built: new Set(),
}
const unchanged = standing(() => false)
const running = standing((index) => index % 10 === 0)
const asJson = [...running.hosts].map(([name, { guests }]) => ({ name, guests }))

function time(body: () => unknown): number {
  const begun = performance.now()
  body()
  return performance.now() - begun
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}

const cases = {
  'JSON copy of the same guests': () => JSON.parse(JSON.stringify(asJson)) as unknown,
  'plan from nothing (10,000 to create)': () => planUp(spec, empty),
  'plan of what stands (nothing to do)': () => planUp(spec, unchanged),
  'plan with 1,000 of 10,000 changed': () => planUp(spec, running),
}
const times = new Map<string, number[]>()
for (let round = 0; round < rounds; round += 1)
  for (const [name, body] of Object.entries(cases)) times.set(name, [...(times.get(name) ?? []), time(body)])

const peer = median(times.get('JSON copy of the same guests') ?? [])
console.log(`plan: ${hostCount} hosts, ${hostCount * guestsPerHost} guests, ${rounds} alternating rounds, medians`)
for (const [name, values] of times)
  console.log(
    `  ${name.padEnd(40)} ${median(values).toFixed(1).padStart(8)} ms   ${(median(values) / peer).toFixed(2)} × JSON copy`,
  )
