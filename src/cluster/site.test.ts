import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { openSites } from './site.ts'
import type { HostSpec } from './spec/model.ts'

const hosts = (...specs: HostSpec[]): { hosts: Record<string, HostSpec> } => ({
  hosts: Object.fromEntries(specs.map((spec) => [spec.name, spec])),
})

const soon = { signal: AbortSignal.timeout(20_000) }

describe('sites', () => {
  beforeEach(() => void vi.stubEnv('BATON_STATE_DIR', '/nowhere/state'))
  afterEach(() => void vi.unstubAllEnvs())

  test('opening them touches nothing, and hosts of one machine have one director', async () => {
    const sites = await openSites(hosts({ name: 'a', hypervisor: 'qemu' }, { name: 'b', hypervisor: 'fake' }), soon)
    expect([...sites.keys()]).toEqual(['a', 'b'])
    expect(sites.get('a')?.director).toBe(sites.get('b')?.director)
    expect(sites.get('a')?.host.directories.state).toBe('/nowhere/state')
  })

  test('each pretended host keeps its guests in a place of its own', async () => {
    const sites = await openSites(hosts({ name: 'a', hypervisor: 'fake' }, { name: 'b', hypervisor: 'fake' }), soon)
    expect([...sites.values()].map(({ host }) => host.directories.state)).toEqual([
      '/nowhere/state/fake-hosts/a',
      '/nowhere/state/fake-hosts/b',
    ])
  })

  test.each([
    {
      name: 'two hosts that are the same',
      specs: [
        { name: 'a', hypervisor: 'qemu' },
        { name: 'b', hypervisor: 'qemu' },
      ],
      code: 'invalid',
    },
    {
      name: 'another machine that nobody can find',
      specs: [{ name: 'a', hypervisor: 'qemu', ssh: 'root@' }],
      code: 'invalid',
    },
  ] as const)('$name cannot be had: $code', async ({ specs, code }) => {
    await expect(openSites(hosts(...specs), soon)).rejects.toThrow(expect.objectContaining({ code }) as Error)
  })
})
