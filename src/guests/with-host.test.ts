import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { InfraError } from '../errors.ts'
import { fakeHypervisor } from './fake/fake.ts'
import type { GuestDefinition, GuestRunState, Hypervisor } from './hypervisor.ts'
import { endRunning, startMarked } from './with-host.ts'

const soon = (): { signal: AbortSignal } => ({ signal: AbortSignal.timeout(30_000) })

const definition = (name: string, autostart: boolean): GuestDefinition => ({
  name,
  memoryBytes: 2 ** 26,
  vcpus: 1,
  image: 'x',
  boot: { kind: 'kernel', kernel: '/k', cmdline: '' },
  disks: [],
  network: { kind: 'user', forwards: [] },
  autostart,
})

async function statesOf(hypervisor: Hypervisor): Promise<Record<string, GuestRunState>> {
  return Object.fromEntries((await hypervisor.list(soon())).map(({ definition: { name }, state }) => [name, state]))
}

test('at a start those run that are marked, also what was saved or crashed with the host; one that cannot is told', async () => {
  const onCall = (operation: string, guest: string): void => {
    if (operation === 'start' && guest === 'broken')
      throw new InfraError('no-space', 'no memory for it', { subject: guest })
  }
  let isBooting = false
  const hypervisor = fakeHypervisor({ onCall: (...call) => (isBooting ? onCall(...call) : undefined) })
  for (const name of ['broken', 'crashed', 'off', 'runs', 'saved'])
    await hypervisor.define(definition(name, true), soon())
  await hypervisor.define(definition('unmarked', false), soon())
  for (const name of ['crashed', 'runs', 'saved']) await hypervisor.start(name, soon())
  await hypervisor.save('saved', soon())
  await hypervisor.crash('crashed')
  isBooting = true
  const fates = await startMarked(hypervisor, soon())
  expect(fates.map(({ guest, error }) => [guest, error === undefined])).toEqual([
    ['broken', false],
    ['crashed', true],
    ['off', true],
    ['saved', true],
  ])
  expect(await statesOf(hypervisor)).toEqual({
    broken: 'stopped',
    crashed: 'running',
    off: 'running',
    runs: 'running',
    saved: 'running',
    unmarked: 'stopped',
  })
})

test('when the host halts all that run are shut down, and ended where they do not hear', async () => {
  const hypervisor = fakeHypervisor()
  const deaf: Hypervisor = {
    ...hypervisor,
    shutdown: async (name, options) => {
      if (name !== 'deaf') return hypervisor.shutdown(name, options)
      await sleep(60_000, undefined, options).catch(() => {
        throw new InfraError('timeout', `shut down ${name}`, { subject: name })
      })
    },
  }
  for (const name of ['deaf', 'off', 'paused', 'runs']) await hypervisor.define(definition(name, false), soon())
  for (const name of ['deaf', 'paused', 'runs']) await hypervisor.start(name, soon())
  await hypervisor.pause('paused', soon())
  expect(await endRunning(deaf, { ...soon(), patienceMs: 50 })).toEqual([
    { guest: 'deaf', became: 'ended' },
    { guest: 'paused', became: 'shut down' },
    { guest: 'runs', became: 'shut down' },
  ])
  expect(new Set(Object.values(await statesOf(hypervisor)))).toEqual(new Set(['stopped']))
})
