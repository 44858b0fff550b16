/** libvirt on another machine: its socket comes through a real sshd, whose machine has no other libvirt than the lab's. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { isInfraError } from '../../src/errors.ts'
import type { GuestEvent } from '../../src/guests/hypervisor.ts'
import { findDaemon, openLibvirt } from '../../src/guests/libvirt/open.ts'
import { openHypervisor } from '../../src/guests/open.ts'
import type { Host } from '../../src/hosts/host.ts'
import { openSshHost } from '../../src/hosts/ssh/ssh.ts'
import { soon, type TinyGuest, tinyGuests } from '../guests/world.ts'
import { openBaton } from '../hello/baton.ts'
import { type Sshd, startSshd } from '../hosts/sshd.ts'
import { eventually } from '../net/loopback.ts'
import { type LibvirtDaemon, startLibvirt } from './daemon.ts'

let directory: string
let daemon: LibvirtDaemon
let sshd: Sshd
let tiny: TinyGuest

beforeAll(async () => {
  tiny = await tinyGuests()
  directory = await mkdtemp(join(tmpdir(), 'bl-'))
  daemon = await startLibvirt()
  await using baton = openBaton()
  // Images are shared by all labs: made once.
  const cache = `BATON_CACHE_DIR=${baton.environment['BATON_CACHE_DIR']}`
  const variables = [`BATON_RUNTIME_DIR=${directory}/run`, `BATON_STATE_DIR=${directory}/state`, cache]
  sshd = await startSshd([`SetEnv ${variables.join(' ')}`], { mounts: { '/run/libvirt': daemon.runtime } })
})
afterAll(async () => {
  await sshd[Symbol.asyncDispose]()
  await daemon[Symbol.asyncDispose]()
  await rm(directory, { recursive: true, force: true })
})

/** Only while there is no connection. */
function notYet(error: unknown): false {
  if (!isInfraError(error, 'unreachable')) throw error
  return false
}

const openFar = (): Promise<Host & AsyncDisposable> =>
  openSshHost(
    { host: '127.0.0.1', port: sshd.port, user: 'root' },
    { name: 'far', environment: sshd.environment },
    soon(),
  )

/** What a call that is under way ends with. */
async function failureOf(call: Promise<unknown>): Promise<unknown> {
  return call.then(
    () => 'no error',
    (error: unknown) => error,
  )
}

describe('libvirt on another machine', () => {
  test('has guests as one of this machine has: made, started, heard of, and taken away', async () => {
    await using host = await openFar()
    await using hypervisor = openHypervisor('libvirt', host)
    await hypervisor.define(tiny('far', { network: { kind: 'user', forwards: [] } }), soon())
    const heard: GuestEvent[] = []
    const enough = new AbortController()
    const listening = (async () => {
      for await (const event of hypervisor.events({ signal: enough.signal })) heard.push(event)
    })()
    await eventually('it is started, and told', async () => {
      await hypervisor.start('far', soon())
      await hypervisor.pause('far', soon())
      await hypervisor.unpause('far', soon())
      return heard.length > 0
    })
    expect(await hypervisor.list(soon())).toMatchObject([{ definition: { name: 'far' }, state: 'running' }])
    enough.abort()
    await listening
  })

  test('is listed and changed by commands with the URI of virsh', async () => {
    await using baton = openBaton()
    const uri = `qemu+ssh://root@127.0.0.1:${sshd.port}/system`
    Object.assign(baton.environment, { ...sshd.environment, LIBVIRT_DEFAULT_URI: uri })
    expect(await baton.json('list')).toMatchObject([
      { name: 'far', host: `root@127.0.0.1:${sshd.port}`, hypervisor: 'libvirt', state: 'running' },
    ])
    expect(await baton.run('pause', 'far')).toMatchObject({ code: 0 })
    expect(await baton.json('list')).toMatchObject([{ name: 'far', state: 'paused' }])
    expect(await baton.run('unpause', 'far')).toMatchObject({ code: 0 })
    Object.assign(baton.environment, { LIBVIRT_DEFAULT_URI: `${uri}?keyfile=key` })
    const { code, stderr } = await baton.run('list')
    expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringContaining('IdentityFile') as string })
  })

  test('has the guests of a spec', async () => {
    await using baton = openBaton()
    Object.assign(baton.environment, sshd.environment)
    const file = join(baton.directory, 'baton.yaml')
    const ssh = `root@127.0.0.1:${sshd.port}`
    await writeFile(
      file,
      `name: far\nhosts: { hv1: { ssh: "${ssh}", hypervisor: libvirt } }\nguests: { web: { image: tiny, memory: 96M } }\n`,
    )
    const up = await baton.run('up', file)
    expect(up, up.stderr).toMatchObject({ code: 0 })
    expect(await baton.run('plan', file)).toMatchObject({ code: 0 })
    Object.assign(baton.environment, { LIBVIRT_DEFAULT_URI: `qemu+ssh://${ssh}/system` })
    expect(await baton.json('list')).toMatchObject([{ name: 'far' }, { name: 'web', state: 'running' }])
    expect(await baton.run('down', file)).toMatchObject({ code: 0 })
    expect(await baton.json('list')).toMatchObject([{ name: 'far' }])
  })

  test('goes away in the middle of calls: each ends with what was asked, and the next one goes', async () => {
    await using host = await openFar()
    await using hypervisor = openHypervisor('libvirt', host)
    const connection = await openLibvirt(host, await findDaemon(host, soon()), soon())
    const cuts = [
      { name: 'the connection is cut', cut: () => sshd.cut() },
      { name: 'the daemon is killed', cut: () => daemon.kill(), mend: () => daemon.start() },
    ]
    expect(connection.lost.aborted).toBe(false)
    for (const { name, cut, mend } of cuts) {
      expect(await hypervisor.list(soon()), name).toHaveLength(1)
      const open = await openLibvirt(host, await findDaemon(host, soon()), soon())
      // The guest has no agent, so that libvirt waits for it as long as it may: more calls than the daemon takes at once.
      const [domain] = await open.call('domainLookupByName', ['far'], soon())
      const calls = Array.from({ length: 8 }, () =>
        failureOf(open.call('monitorCommand', [domain, '{"execute":"query-status"}', 0], soon())),
      )
      const console = await hypervisor.console('far', soon())
      const closed = new Promise((resolve) => console.resume().once('error', resolve))
      await cut()
      for (const failure of await Promise.all(calls))
        if (failure !== 'no error')
          expect(failure, name).toMatchObject({
            code: 'unreachable',
            message: expect.stringContaining('monitorCommand') as string,
          })
      expect(await closed, name).toMatchObject({ code: 'unreachable' })
      expect(open.lost.aborted).toBe(true)
      expect(await failureOf(open.call('connectGetUri', [], soon()))).toMatchObject({
        code: 'unreachable',
        message: expect.stringContaining('connectGetUri') as string,
      })
      if (mend !== undefined) {
        const failure = await failureOf(hypervisor.list(soon()))
        expect(isInfraError(failure, 'missing-tool'), String(failure)).toBe(true)
        await mend()
      }
      expect(await hypervisor.list(soon()), name).toMatchObject([{ definition: { name: 'far' }, state: 'running' }])
    }
  })

  test('goes away and comes back under who listens: what changed meanwhile is told, and what changes later', async () => {
    await using host = await openFar()
    await using hypervisor = openHypervisor('libvirt', host)
    const heard: GuestEvent[] = []
    const enough = new AbortController()
    const listening = (async () => {
      for await (const event of hypervisor.events({ signal: enough.signal })) heard.push(event)
    })()
    const until = (state: GuestEvent['state']): Promise<void> =>
      eventually(`${state} is told`, () => heard.at(-1)?.state === state, 60_000)
    // A guest that changes and changes back before it is looked at is told of as nothing: one change at a time.
    let isOn = true
    await eventually(
      'it listens',
      async () => {
        isOn = !isOn
        await (isOn ? hypervisor.unpause('far', soon()) : hypervisor.pause('far', soon()))
        const isTold = (): boolean => heard.at(-1)?.state === (isOn ? 'running' : 'paused')
        return eventually('it is told', isTold, 2_000).then(
          () => true,
          () => false,
        )
      },
      60_000,
    )
    await hypervisor.pause('far', soon())
    await until('paused')
    // What is asked while a connection is being lost ends with it, and is asked again.
    const succeed = (what: string, act: () => Promise<void>): Promise<void> =>
      eventually(what, () => act().then(() => true, notYet), 60_000)
    await sshd.cut()
    await succeed('it goes on', () => hypervisor.unpause('far', soon()))
    await until('running')
    const pid = await daemon.pidOf('far')
    await daemon.kill()
    process.kill(pid, 'SIGKILL')
    await daemon.start()
    await eventually('its end is told', () => ['crashed', 'stopped'].includes(heard.at(-1)?.state ?? ''), 60_000)
    await succeed('it is forgotten', () => hypervisor.undefine('far', soon()))
    await until('removed')
    enough.abort()
    await listening
  })
})
