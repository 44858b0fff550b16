/** What every Hypervisor must do: one suite for the fake and for each real one. */
import type { Duplex } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { isInfraError } from '../errors.ts'
import type { CallOptions, GuestDefinition, GuestNetwork, GuestReach, GuestState, Hypervisor } from './hypervisor.ts'
import { guestSeed } from './seed.ts'

export type HypervisorUnderTest = AsyncDisposable & {
  readonly hypervisor: Hypervisor
  /** Another one over the same host, as a second command has it. */
  readonly another: () => Hypervisor
  /** A small guest that boots; on a user network TCP port 80 is forwarded. */
  readonly definition: (name: string, change?: Partial<GuestDefinition>) => GuestDefinition
  /** What the console prints once the guest serves port 80 and answers a power-off. */
  readonly bootMark: string
  /** Ends the guest's process from outside, as the kernel's out-of-memory killer does. */
  readonly kill: (name: string) => Promise<void>
  /** The guest powers itself off. */
  readonly powerOff: (name: string) => Promise<void>
  /** What stands of guests on the host: processes, sockets, files. */
  readonly leftovers: () => Promise<readonly string[]>
  /** Asks the guest through one of its ways in; undefined where guests are only simulated. */
  readonly request?: (reach: GuestReach) => Promise<string>
  /** How long one operation may take. */
  readonly patienceMs: number
}

const needRunning = ['reboot', 'pause', 'unpause', 'save', 'console', 'statistics'] as const

async function codeOf(failing: Promise<unknown>): Promise<string> {
  try {
    await failing
  } catch (error) {
    return isInfraError(error) ? error.code : `not an InfraError: ${String(error)}`
  }
  return 'no error'
}

type Scene = HypervisorUnderTest & {
  readonly soon: () => CallOptions
  readonly state: (name: string) => Promise<GuestState['state'] | undefined>
  readonly reach: (name: string) => Promise<readonly GuestReach[]>
  /** Defined, started, and booted up to its mark. */
  readonly boot: (name: string, change?: Partial<GuestDefinition>) => Promise<void>
  readonly until: (name: string, state: GuestState['state']) => Promise<void>
}

function scene(world: HypervisorUnderTest): Scene {
  const { hypervisor, patienceMs } = world
  const soon = (): CallOptions => ({ signal: AbortSignal.timeout(patienceMs) })
  const find = async (name: string): Promise<GuestState | undefined> =>
    (await hypervisor.list(soon())).find(({ definition }) => definition.name === name)
  const poll = { timeout: patienceMs, interval: 50 }
  const state: Scene['state'] = async (name) => (await find(name))?.state
  return {
    ...world,
    soon,
    state,
    reach: async (name) => (await find(name))?.reach ?? [],
    async boot(name, change) {
      await hypervisor.define(world.definition(name, change), soon())
      await hypervisor.start(name, soon())
      await expect
        .poll(() => hypervisor.consoleLog(name, { maxBytes: 65536, ...soon() }), poll)
        .toContain(world.bootMark)
    },
    until: (name, wanted) => expect.poll(() => state(name), poll).toBe(wanted),
  }
}

async function readUntil(stream: Duplex, text: string): Promise<string> {
  let seen = ''
  for await (const chunk of stream.iterator({ destroyOnReturn: false })) {
    seen += Buffer.from(chunk as Uint8Array).toString()
    if (seen.includes(text)) return seen
  }
  throw new Error(`the console ended before it said ${text}: ${seen}`)
}

/** `network`: what kind its guests' network is; on a bridge they have addresses of their own, and no forwards. */
export function hypervisorContract(
  name: string,
  open: () => Promise<HypervisorUnderTest>,
  network: GuestNetwork['kind'] = 'user',
): void {
  const scenes = async (run: (scene: Scene) => Promise<void>): Promise<void> => {
    await using world = await open()
    await run(scene(world))
  }
  describe(`hypervisor contract: ${name}`, () => {
    describe('definitions', () => definitions(scenes))
    describe('life cycle', () => lifeCycle(scenes))
    if (network === 'user') describe('forwarded ports', () => forwardedPorts(scenes))
    describe('accidents', () => accidents(scenes))
    describe('console and statistics', () => observation(scenes))
  })
}

type Scenes = (run: (scene: Scene) => Promise<void>) => Promise<void>

function definitions(scenes: Scenes): void {
  test('a defined guest is listed as it was defined, stopped and unreachable', () =>
    scenes(async ({ hypervisor, definition, soon }) => {
      const wanted = definition('one', { mark: { cluster: 'shop', pool: 'web' }, autostart: true })
      await hypervisor.define(wanted, soon())
      await hypervisor.define(wanted, soon())
      await hypervisor.define(definition('a-first'), soon())
      const listed = await hypervisor.list(soon())
      expect(listed.map((guest) => guest.definition.name)).toEqual(['a-first', 'one'])
      expect(listed[1]).toEqual({ definition: wanted, state: 'stopped', reach: [] })
    }))

  test('a seed is known by its digest, kept by who does not know what it says, and goes with the guest', () =>
    scenes(async ({ hypervisor, definition, soon, leftovers }) => {
      const secret = 'password: XYZZY'
      const wanted = definition('one', { seed: guestSeed({ userData: `#cloud-config\n${secret}\n` }) })
      await hypervisor.define(wanted, soon())
      const [listed] = await hypervisor.list(soon())
      expect(JSON.stringify(listed)).not.toContain('XYZZY')
      expect(listed?.definition.seed).toEqual({ digest: wanted.seed?.digest })
      await hypervisor.define(listed?.definition ?? wanted, soon())
      expect((await hypervisor.list(soon()))[0]).toEqual(listed)
      await hypervisor.undefine('one', soon())
      expect(await leftovers()).toEqual([])
    }))

  test('whether it starts with its host is switched, and kept', () =>
    scenes(async ({ hypervisor, another, definition, soon }) => {
      await hypervisor.define(definition('one'), soon())
      const isMarked = async (): Promise<boolean | undefined> => {
        await using second = another()
        return (await second.list(soon()))[0]?.definition.autostart
      }
      for (const isWanted of [true, true, false, false]) {
        await hypervisor.autostart('one', isWanted, soon())
        expect(await isMarked()).toBe(isWanted)
      }
      await expect(hypervisor.autostart('two', true, soon())).rejects.toMatchObject({ code: 'not-found' })
    }))

  test('another command on the same host sees the same guests', () =>
    scenes(async ({ hypervisor, another, definition, soon }) => {
      await hypervisor.define(definition('one'), soon())
      await using second = another()
      expect(await second.list(soon())).toEqual(await hypervisor.list(soon()))
    }))

  test.each([
    { name: 'a name with a slash', change: { name: 'a/b' } },
    { name: 'a name that climbs', change: { name: '..' } },
    { name: 'no memory', change: { memoryBytes: 0 } },
    { name: 'no vcpu', change: { vcpus: 0 } },
    { name: 'a disk without size or base', change: { disks: [{}] } },
  ])('$name is refused', ({ change }) =>
    scenes(async ({ hypervisor, definition, soon, leftovers }) => {
      expect(await codeOf(hypervisor.define(definition('one', change), soon()))).toBe('invalid')
      expect(await leftovers()).toEqual([])
    }),
  )

  test('an unknown guest is not-found, and leaves no trace', () =>
    scenes(async ({ hypervisor, soon, leftovers }) => {
      for (const operation of ['start', 'shutdown', 'destroy', ...needRunning] as const)
        expect(await codeOf(hypervisor[operation]('ghost', soon()))).toBe('not-found')
      expect(await codeOf(hypervisor.consoleLog('ghost', { maxBytes: 10, ...soon() }))).toBe('not-found')
      await hypervisor.undefine('ghost', soon())
      expect(await leftovers()).toEqual([])
    }))

  test('undefine leaves nothing, whatever the guest was doing', () =>
    scenes(async ({ hypervisor, definition, boot, soon, leftovers }) => {
      await hypervisor.define(definition('idle', { disks: [{ sizeBytes: 1024 ** 2 }] }), soon())
      await boot('busy', { disks: [{ sizeBytes: 1024 ** 2 }] })
      await hypervisor.undefine('idle', soon())
      await hypervisor.undefine('busy', soon())
      await hypervisor.undefine('busy', soon())
      expect(await hypervisor.list(soon())).toEqual([])
      expect(await leftovers()).toEqual([])
    }))
}

function lifeCycle(scenes: Scenes): void {
  test('start, pause, unpause and destroy do what they say, twice as well as once', () =>
    scenes(async ({ hypervisor, definition, state, soon }) => {
      await hypervisor.define(definition('one'), soon())
      const walk = [
        ['start', 'running'],
        ['pause', 'paused'],
        ['unpause', 'running'],
        ['pause', 'paused'],
        ['start', 'running'],
        ['destroy', 'stopped'],
      ] as const
      for (const [operation, wanted] of walk) {
        await hypervisor[operation]('one', soon())
        await hypervisor[operation]('one', soon())
        expect(await state('one')).toBe(wanted)
      }
    }))

  test('what the state does not allow is invalid', () =>
    scenes(async ({ hypervisor, definition, soon }) => {
      await hypervisor.define(definition('one'), soon())
      for (const operation of needRunning) expect(await codeOf(hypervisor[operation]('one', soon()))).toBe('invalid')
      await hypervisor.shutdown('one', soon())
      await hypervisor.destroy('one', soon())
    }))

  test('a shutdown waits until the guest is off, also from pause', () =>
    scenes(async ({ hypervisor, boot, state, soon }) => {
      await boot('one')
      await hypervisor.shutdown('one', soon())
      expect(await state('one')).toBe('stopped')
      await boot('one')
      await hypervisor.pause('one', soon())
      await hypervisor.shutdown('one', soon())
      expect(await state('one')).toBe('stopped')
    }))

  test('a rebooted guest boots again', () =>
    scenes(async ({ hypervisor, boot, state, bootMark, soon, patienceMs }) => {
      await boot('one')
      await hypervisor.reboot('one', soon())
      const boots = async (): Promise<number> =>
        (await hypervisor.consoleLog('one', { maxBytes: 262_144, ...soon() })).split(bootMark).length - 1
      await expect.poll(boots, { timeout: patienceMs, interval: 50 }).toBe(2)
      expect(await state('one')).toBe('running')
    }))

  test('a saved guest goes on where it was', () =>
    scenes(async ({ hypervisor, definition, boot, state, reach, request, bootMark, soon }) => {
      await boot('one')
      await hypervisor.save('one', soon())
      await hypervisor.save('one', soon())
      expect(await state('one')).toBe('saved')
      await hypervisor.start('one', soon())
      expect(await state('one')).toBe('running')
      if (request !== undefined && definition('one').network.kind === 'user') {
        const log = await hypervisor.consoleLog('one', { maxBytes: 262_144, ...soon() })
        expect(log.split(bootMark).length).toBeLessThanOrEqual(2)
        const [way] = await reach('one')
        expect(await request(way as GuestReach)).toContain('one')
      }
      await hypervisor.shutdown('one', soon())
      expect(await state('one')).toBe('stopped')
    }))

  test('destroy drops what was saved', () =>
    scenes(async ({ hypervisor, definition, state, soon }) => {
      await hypervisor.define(definition('one'), soon())
      await hypervisor.start('one', soon())
      await hypervisor.save('one', soon())
      await hypervisor.destroy('one', soon())
      expect(await state('one')).toBe('stopped')
    }))

  test('a running guest is listed as it was defined', () =>
    scenes(async ({ hypervisor, definition, soon }) => {
      const wanted = definition('one', { mark: { cluster: 'shop', pool: 'web' }, autostart: true })
      await hypervisor.define(wanted, soon())
      await hypervisor.start('one', soon())
      expect((await hypervisor.list(soon()))[0]?.definition).toEqual(wanted)
      const { mark: _none, ...unmarked } = wanted
      await hypervisor.define(unmarked, soon())
      expect((await hypervisor.list(soon()))[0]?.definition).toEqual(unmarked)
    }))

  test('guests start in parallel', () =>
    scenes(async ({ hypervisor, definition, state, soon }) => {
      const names = ['one', 'two', 'three']
      await Promise.all(names.map((guest) => hypervisor.define(definition(guest), soon())))
      await Promise.all(names.map((guest) => hypervisor.start(guest, soon())))
      expect(await Promise.all(names.map(state))).toEqual(names.map(() => 'running'))
    }))

  test('what a running guest was defined as anew waits for its next start, except forwards', () =>
    scenes(async ({ hypervisor, definition, soon }) => {
      const before = definition('one')
      await hypervisor.define(before, soon())
      await hypervisor.start('one', soon())
      await hypervisor.define({ ...before, memoryBytes: before.memoryBytes * 2 }, soon())
      expect((await hypervisor.list(soon()))[0]?.definition).toEqual(before)
      await hypervisor.destroy('one', soon())
      expect((await hypervisor.list(soon()))[0]?.definition.memoryBytes).toBe(before.memoryBytes * 2)
    }))
}

function forwardedPorts(scenes: Scenes): void {
  test('guests start in parallel, each reached by its own ports', () =>
    scenes(async ({ hypervisor, definition, boot, reach, request, soon }) => {
      const names = ['one', 'two', 'three']
      await Promise.all(names.map((guest) => (request ? boot(guest) : hypervisor.define(definition(guest), soon()))))
      await Promise.all(names.map((guest) => hypervisor.start(guest, soon())))
      const ways = await Promise.all(names.map(async (guest) => (await reach(guest))[0]))
      expect(ways).toMatchObject(names.map(() => ({ protocol: 'tcp', guestPort: 80, address: '127.0.0.1' })))
      expect(new Set(ways.map((way) => way?.port)).size).toBe(3)
      for (const [index, guest] of names.entries())
        if (request !== undefined) expect(await request(ways[index] as GuestReach)).toContain(guest)
    }))

  test('a running guest takes up other forwards at once and keeps the ports it has', () =>
    scenes(async ({ hypervisor, definition, reach, soon }) => {
      const forward = (...ports: readonly number[]): GuestDefinition =>
        definition('one', { network: { kind: 'user', forwards: ports.map((port) => ({ protocol: 'tcp', port })) } })
      await hypervisor.define(forward(80), soon())
      await hypervisor.start('one', soon())
      const before = await reach('one')
      await hypervisor.define(forward(80, 8080), soon())
      const both = await reach('one')
      expect(both.map((way) => way.guestPort).sort()).toEqual([80, 8080])
      expect(both).toContainEqual(before[0])
      await hypervisor.define(forward(8080), soon())
      expect(await reach('one')).toEqual(both.filter((way) => way.guestPort === 8080))
    }))

  test('a running guest is listed with all its forwards in their order', () =>
    scenes(async ({ hypervisor, definition, soon }) => {
      const forwards = [443, 80, 81].map((port) => ({ protocol: 'tcp', port }) as const)
      const wanted = definition('one', { network: { kind: 'user', forwards } })
      await hypervisor.define(wanted, soon())
      await hypervisor.start('one', soon())
      expect((await hypervisor.list(soon()))[0]?.definition).toEqual(wanted)
    }))

  test('a guest that is started again is reached where it was', () =>
    scenes(async ({ hypervisor, definition, reach, soon }) => {
      await hypervisor.define(definition('one'), soon())
      await hypervisor.start('one', soon())
      const before = await reach('one')
      await hypervisor.destroy('one', soon())
      await hypervisor.start('one', soon())
      expect(await reach('one')).toEqual(before)
    }))
}

function accidents(scenes: Scenes): void {
  test('a guest whose process was killed is crashed, and starts again', () =>
    scenes(async ({ hypervisor, definition, kill, state, until, reach, soon }) => {
      await hypervisor.define(definition('one'), soon())
      await hypervisor.start('one', soon())
      await kill('one')
      await until('one', 'crashed')
      expect(await reach('one')).toEqual([])
      expect(await codeOf(hypervisor.pause('one', soon()))).toBe('invalid')
      await hypervisor.start('one', soon())
      expect(await state('one')).toBe('running')
    }))

  test('a crash is acknowledged by a destroy', () =>
    scenes(async ({ hypervisor, definition, kill, state, until, soon }) => {
      await hypervisor.define(definition('one'), soon())
      await hypervisor.start('one', soon())
      await kill('one')
      await until('one', 'crashed')
      await hypervisor.destroy('one', soon())
      expect(await state('one')).toBe('stopped')
    }))

  test('a guest that powers itself off is stopped, not crashed', () =>
    scenes(async ({ boot, powerOff, until }) => {
      await boot('one')
      await powerOff('one')
      await until('one', 'stopped')
    }))

  test('events tell each change', () =>
    scenes(async ({ hypervisor, definition, kill, soon }) => {
      await hypervisor.define(definition('one'), soon())
      const controller = new AbortController()
      const seen: string[] = []
      const act: Record<string, () => Promise<void>> = {
        running: () => kill('one'),
        crashed: () => hypervisor.undefine('one', soon()),
        removed: async () => controller.abort(),
      }
      const events = hypervisor.events({ signal: AbortSignal.any([controller.signal, soon().signal]) })
      const watching = (async () => {
        for await (const event of events) {
          seen.push(`${event.guest} ${event.state}`)
          await act[event.state]?.()
        }
      })()
      await hypervisor.list(soon())
      await new Promise((resolve) => setTimeout(resolve, 200))
      await hypervisor.start('one', soon())
      await watching
      expect(seen).toEqual(['one running', 'one crashed', 'one removed'])
    }))

  test('an ended deadline is a timeout', () =>
    scenes(async ({ hypervisor, definition, soon }) => {
      await hypervisor.define(definition('one'), soon())
      const gone = AbortSignal.timeout(0)
      await new Promise((resolve) => gone.addEventListener('abort', resolve))
      expect(await codeOf(hypervisor.start('one', { signal: gone }))).toBe('timeout')
      expect(await codeOf(hypervisor.list({ signal: AbortSignal.abort() }))).toBe('cancelled')
    }))
}

function observation(scenes: Scenes): void {
  test('several consoles see what is typed on one of them, and the log keeps it', () =>
    scenes(async ({ hypervisor, boot, soon }) => {
      await boot('one')
      const first = await hypervisor.console('one', soon())
      const second = await hypervisor.console('one', soon())
      try {
        first.write('hello-from-one\r')
        expect(await readUntil(first, 'hello-from-one')).toContain('hello-from-one')
        expect(await readUntil(second, 'hello-from-one')).toContain('hello-from-one')
        second.write('hello-from-two\r')
        expect(await readUntil(first, 'hello-from-two')).toContain('hello-from-two')
      } finally {
        first.destroy()
        second.destroy()
      }
      expect(await hypervisor.consoleLog('one', { maxBytes: 65_536, ...soon() })).toContain('hello-from-two')
      expect((await hypervisor.consoleLog('one', { maxBytes: 7, ...soon() })).length).toBeLessThanOrEqual(7)
    }))

  test('a console ends with its guest', () =>
    scenes(async ({ hypervisor, definition, soon }) => {
      await hypervisor.define(definition('one'), soon())
      await hypervisor.start('one', soon())
      const stream = await hypervisor.console('one', soon())
      const ended = new Promise((resolve) => stream.once('end', resolve))
      stream.resume()
      await hypervisor.destroy('one', soon())
      await ended
      stream.destroy()
    }))

  test('statistics of a running guest are plausible', () =>
    scenes(async ({ hypervisor, boot, soon }) => {
      await boot('one', { disks: [{ sizeBytes: 1024 ** 2 }] })
      const first = await hypervisor.statistics('one', soon())
      const second = await hypervisor.statistics('one', soon())
      expect(second.cpuSeconds).toBeGreaterThanOrEqual(first.cpuSeconds)
      expect(first.residentBytes).toBeGreaterThan(1024 ** 2)
      expect(first.disk.readBytes).toBeGreaterThanOrEqual(0)
    }))

  test('info says what executes guests and why', () =>
    scenes(async ({ hypervisor, definition, soon }) => {
      const info = await hypervisor.info(soon())
      expect(info.name).toBe(hypervisor.name)
      expect(info.version).not.toBe('')
      expect(info.acceleration.reason).not.toBe('')
      expect(info.networks).toContain(definition('one').network.kind)
    }))
}
