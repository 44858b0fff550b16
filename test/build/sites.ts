/** Builders for tests: whole sites in memory, which keep their state from one run to the next as real hosts do. */
import { createHash } from 'node:crypto'
import type { DirectorAccess, Site } from '../../src/cluster/site.ts'
import type { ClusterSpec } from '../../src/cluster/spec/model.ts'
import type { DirectorControl } from '../../src/director/control.ts'
import { type Director, openDirector } from '../../src/director/director.ts'
import { memoryIntentStore } from '../../src/director/intent.ts'
import { type FakeEngine, fakeCapabilities, fakeEngine } from '../../src/engines/fake/fake.ts'
import { InfraError } from '../../src/errors.ts'
import { type FakeHypervisor, fakeHypervisor } from '../../src/guests/fake/fake.ts'
import type { ImageSpec } from '../../src/guests/images/image.ts'
import type { ImageStore } from '../../src/guests/images/store.ts'
import { fakeHost } from '../../src/hosts/fake/fake.ts'

/** Called before every effect on a site; what it throws is the effect's failure. */
export type OnEffect = (effect: string) => void | Promise<void>

export type FakeSite = Site & {
  readonly hypervisor: FakeHypervisor
  readonly engine: () => FakeEngine | undefined
  dispose(): Promise<void>
}

export type FakeSites = AsyncDisposable & {
  readonly sites: ReadonlyMap<string, FakeSite>
  onEffect: OnEffect
}

const readingOnly = new Set(['list', 'info', 'consoleLog', 'statistics'])

export function buildSites(spec: Pick<ClusterSpec, 'hosts'>): FakeSites {
  const world: { onEffect: OnEffect } = { onEffect: () => {} }
  const sites = new Map(
    Object.keys(spec.hosts).map(
      (name, index) => [name, buildSite(name, index, (effect) => world.onEffect(effect))] as const,
    ),
  )
  return {
    sites,
    set onEffect(hook: OnEffect) {
      world.onEffect = hook
    },
    get onEffect() {
      return world.onEffect
    },
    async [Symbol.asyncDispose]() {
      for (const site of sites.values()) await site.dispose()
    },
  }
}

function buildSite(name: string, index: number, onEffect: OnEffect): FakeSite {
  const host = fakeHost({ name })
  host.install('rmdir', async () => ({ code: 0, stdout: '', stderr: '' }))
  const hypervisor = fakeHypervisor({
    address: `127.0.${index >> 8}.${(index & 255) + 1}`,
    onCall: async (operation, guest) => {
      if (!readingOnly.has(operation)) await onEffect(`${operation} ${guest}`)
    },
  })
  const { access, engine, dispose } = fakeDirectorAccess(name, onEffect)
  return { name, host, hypervisor, images: fakeImages(onEffect), director: access, isHere: true, engine, dispose }
}

/** A digest of the spec itself; files are not looked at. */
function fakeImages(onEffect: OnEffect): ImageStore {
  const built = new Set<string>()
  const digestOf = (spec: ImageSpec): string =>
    createHash('sha256').update(JSON.stringify(spec)).digest('hex').slice(0, 32)
  const imageOf = (digest: string) => ({ digest, kernel: `/cache/${digest}/vmlinuz`, cmdline: 'quiet' })
  return {
    digest: async (spec) => digestOf(spec),
    find: async (digest) => (built.has(digest) ? imageOf(digest) : undefined),
    async build(imageName, spec) {
      const digest = digestOf(spec)
      if (!built.has(digest)) await onEffect(`image ${imageName}`)
      built.add(digest)
      return imageOf(digest)
    },
    give: async () => {},
    list: async () => [],
    delete: async () => [],
  }
}

type FakeAccess = { access: DirectorAccess; engine: () => FakeEngine | undefined; dispose: () => Promise<void> }

/** A director in this process, with the intent that outlives it, as on disk. */
function fakeDirectorAccess(name: string, onEffect: OnEffect): FakeAccess {
  const intent = memoryIntentStore()
  let running: { director: Director; engine: FakeEngine } | undefined
  const director = (): Director => {
    if (running === undefined) throw new InfraError('not-found', `no director runs on ${name}`, { subject: name })
    return running.director
  }
  const end = async (): Promise<void> => {
    await running?.director[Symbol.asyncDispose]()
    running = undefined
  }
  const control: DirectorControl = {
    status: async (options) => director().status(options),
    async putCluster(wanted, options) {
      await onEffect('put cluster')
      await director().putCluster(wanted, options)
    },
    async removeCluster(cluster, options) {
      await onEffect('remove cluster')
      await director().removeCluster(cluster, options)
    },
    drain: async (target, options) => director().drain(target, options),
    undrain: async (target, options) => director().undrain(target, options),
    moveGuest: async (guest, reach, options) => director().moveGuest(guest, reach, options),
    async *connections(options) {
      yield* director().connections(options)
    },
    edit: async (edits, options) => director().edit(edits, options),
    table: async (options) => director().table(options),
    trace: async (question, options) => director().trace(question, options),
    checkNow: async (id, options) => director().checkNow(id, options),
    events: (query) => director().events(query),
    handOver: async (order, options) => director().handOver(order, options),
    stop: end,
  }
  const access: DirectorAccess = {
    control,
    // Whatever is wanted, it pretends.
    choose: async () => ({ name: 'fake', capabilities: fakeCapabilities }),
    async launch() {
      await onEffect('launch director')
      if (running !== undefined) return
      const engine = fakeEngine()
      const opened = await openDirector({
        engine,
        intent,
        timing: { sleep: (_ms, signal) => untilAborted(signal), chance: () => 0, now: () => 0 },
        now: () => new Date(0),
        onEvent: () => {},
        onStop: () => {},
        openProbe: () => async () => ({ healthy: true, detail: 'made up', tookMs: 0 }),
      })
      running = { director: opened, engine }
    },
    async stop() {
      await onEffect('stop director')
      await end()
    },
  }
  return { access, engine: () => running?.engine, dispose: end }
}

/** Probes once and never again: a test's time stands still. */
function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
