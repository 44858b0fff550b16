import { describe, expect, test } from 'vitest'
import { InfraError } from '../../errors.ts'
import { fakeHost } from '../../hosts/fake/fake.ts'
import { type HypervisorUnderTest, hypervisorContract } from '../hypervisor.contract.ts'
import type { GuestDefinition } from '../hypervisor.ts'
import { openHypervisor } from '../open.ts'
import { type FakeHypervisor, fakeHypervisor } from './fake.ts'
import { fileStore, memoryStore } from './store.ts'

const soon = (): { signal: AbortSignal } => ({ signal: AbortSignal.timeout(5000) })

function definition(name: string, change: Partial<GuestDefinition> = {}): GuestDefinition {
  return {
    name,
    memoryBytes: 64 * 1024 ** 2,
    vcpus: 1,
    image: 'sha256:0',
    boot: { kind: 'kernel', kernel: '/k', cmdline: '' },
    disks: [],
    network: { kind: 'user', forwards: [{ protocol: 'tcp', port: 80 }] },
    autostart: false,
    ...change,
  }
}

type World = Pick<HypervisorUnderTest, 'another' | 'leftovers'> & { readonly hypervisor: FakeHypervisor }

const underTest = ({ hypervisor, another, leftovers }: World): HypervisorUnderTest => ({
  hypervisor,
  another,
  leftovers,
  definition,
  bootMark: 'is up',
  kill: hypervisor.crash,
  powerOff: hypervisor.powerOff,
  patienceMs: 5000,
  [Symbol.asyncDispose]: async () => {},
})

hypervisorContract('fake, in memory', async () => {
  const store = memoryStore()
  return underTest({
    hypervisor: fakeHypervisor({ store }),
    another: () => fakeHypervisor({ store }),
    leftovers: () => store.names(soon()),
  })
})

hypervisorContract('fake, in files', async () => {
  const host = fakeHost()
  return underTest({
    hypervisor: fakeHypervisor({ store: fileStore(host) }),
    another: () => openHypervisor('fake', host),
    leftovers: async () => (await host.list(host.directories.state, soon())) ?? [],
  })
})

describe('fake hypervisor', () => {
  test('a settable failure is what the caller gets, and nothing changes', async () => {
    const calls: string[] = []
    const hypervisor = fakeHypervisor({
      onCall(operation, guest) {
        calls.push(`${operation} ${guest}`)
        if (operation === 'start') throw new InfraError('no-space', 'no room', { subject: guest })
      },
    })
    await hypervisor.define(definition('one'), soon())
    await expect(hypervisor.start('one', soon())).rejects.toMatchObject({ code: 'no-space' })
    expect((await hypervisor.list(soon()))[0]?.state).toBe('stopped')
    expect(calls).toEqual(['define one', 'start one', 'list '])
  })

  test('a simulated boot takes its time and ends with its deadline', async () => {
    const hypervisor = fakeHypervisor({ bootMs: 40 })
    await hypervisor.define(definition('one'), soon())
    await expect(hypervisor.start('one', { signal: AbortSignal.timeout(5) })).rejects.toMatchObject({ code: 'timeout' })
    const begun = performance.now()
    await hypervisor.start('one', soon())
    expect(performance.now() - begun).toBeGreaterThan(30)
  })

  test('ten thousand guests are defined, started and listed, each with a port of its own', async () => {
    const hypervisor = fakeHypervisor()
    const names = Array.from({ length: 10_000 }, (_, index) => `g-${index}`)
    await Promise.all(names.map((name) => hypervisor.define(definition(name), soon())))
    await Promise.all(names.map((name) => hypervisor.start(name, soon())))
    const guests = await hypervisor.list(soon())
    expect(new Set(guests.flatMap((guest) => guest.reach.map((way) => way.port))).size).toBe(10_000)
  })
})
