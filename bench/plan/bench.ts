/** How long a plan takes: 10,000 guests on 500 hosts, against walking and copying the same data once as JSON. */
import { buildPool, buildServiceSpec, buildSpec } from '../../test/build/spec.ts'
import { buildService } from '../../test/build/services.ts'
import { guestDefinition } from '../../src/cluster/apply/definition.ts'
import type { Observed, ObservedHost } from '../../src/cluster/plan/plan.ts'
import { planUp } from '../../src/cluster/plan/planner.ts'
import { wantedGuests } from '../../src/cluster/plan/wanted.ts'
import type { ClusterSpec } from '../../src/cluster/spec/model.ts'
import type { GuestState } from '../../src/guests/hypervisor.ts'

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

/** Hosts on which all guests run, each tenth with less memory than wanted. */
function standing(): Observed {
  const guests = new Map<string, GuestState[]>(names.map((name) => [name, []]))
  let index = 0
  for (const { host, guest } of wantedGuests(spec).values()) {
    const memoryBytes = index % 10 === 0 ? guest.memoryBytes / 2 : guest.memoryBytes
    const definition = guestDefinition({ ...guest, memoryBytes }, { digest: 'd', kernel: '/k', cmdline: '' })
    const reach = [{ protocol: 'tcp', guestPort: 80, address: '127.0.0.1', port: 20_000 + (index % 40_000) }] as const
    guests.get(host)?.push({ definition, state: 'running', id: index, reach })
    index += 1
  }
  const hosts = new Map<string, ObservedHost>([...guests].map(([name, states]) => [name, { guests: states, director: undefined }]))
  return { hosts, digests: new Map([['tiny', 'd']]), built: new Set(names.map((name) => `${name}/d`)) }
}

const empty: Observed = {
  hosts: new Map(names.map((name) => [name, { guests: [], director: undefined }])),
  digests: new Map([['tiny', 'd']]),
  built: new Set(),
}
const running = standing()
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
  'plan with 1,000 of 10,000 changed': () => planUp(spec, running),
}
const times = new Map<string, number[]>()
for (let round = 0; round < rounds; round += 1)
  for (const [name, body] of Object.entries(cases)) times.set(name, [...(times.get(name) ?? []), time(body)])

const peer = median(times.get('JSON copy of the same guests') ?? [])
console.log(`plan: ${hostCount} hosts, ${hostCount * guestsPerHost} guests, ${rounds} alternating rounds, medians`)
for (const [name, values] of times)
  console.log(`  ${name.padEnd(40)} ${median(values).toFixed(1).padStart(8)} ms   ${(median(values) / peer).toFixed(2)} × JSON copy`)
