/**
 * One engine out of three: packets and sockets go to the base, what is read before it is balanced to the application
 * engine, questions for names to the DNS engine. The latter two are opened when the first such service comes.
 */
import { Bug, InfraError } from '../errors.ts'
import { type ServiceId, serviceKey } from '../lvs/service.ts'
import { turns } from '../turns.ts'
import {
  type CallOptions,
  changedService,
  type Engine,
  type EngineChange,
  isTableChange,
  type ServiceSnapshot,
  throwIfCancelled,
} from './engine.ts'
import { portsAs } from './porting.ts'
import { throwIfRefused } from './refusals.ts'
import { composedCapabilities, type PartName, partOf, type Share, settingsFor, sharesOf, undoing } from './shares.ts'

export type PartOpeners = { readonly [Name in Exclude<PartName, 'base'>]: () => Promise<Engine> }

/** How long it may take to undo what one part did, when another could not do its share. */
const undoMs = 30_000

export function composedEngine(base: Engine, openers: PartOpeners): Engine {
  const parts = new Map<PartName, Engine>([['base', base]])
  /** Where each service stands, in the order in which they came. */
  let places: ReadonlyMap<string, PartName> = new Map()
  const capabilities = composedCapabilities(base.capabilities)
  // Where the services of one change stand decides where the next one's go.
  const applying = turns()

  const open = async (name: PartName, options: CallOptions): Promise<Engine> => {
    const standing = parts.get(name)
    if (standing !== undefined) return standing
    if (name === 'base') throw new Bug('the base is always open')
    const opened = await openers[name]()
    try {
      const { settings } = await base.info(options)
      await opened.apply([settingsFor(settings, opened.capabilities)], options)
    } catch (error) {
      await opened[Symbol.asyncDispose]()
      throw error
    }
    parts.set(name, opened)
    return opened
  }

  const applyAll = async (shares: readonly Share[], options: CallOptions): Promise<void> => {
    const done: { readonly part: Engine; readonly undo: () => readonly EngineChange[] }[] = []
    try {
      for (const share of shares) {
        const part = await open(share.part, options)
        const only = share.changes.filter(isTableChange).map(changedService)
        // Only where something may have to be undone: reading back what a large change touches takes its time.
        const before = shares.length > 1 ? await part.read({ ...options, only }) : []
        const info = await part.info(options)
        await part.apply(share.changes, options)
        done.push({ part, undo: () => undoing(share.changes, before, info) })
      }
    } catch (error) {
      for (const { part, undo } of done.reverse()) await part.apply(undo(), { signal: AbortSignal.timeout(undoMs) })
      throw error
    }
  }

  const close = async (end: (part: Engine) => Promise<void> | PromiseLike<void>): Promise<void> => {
    await applying.idle()
    const closed = await Promise.allSettled([...parts.values()].map(end))
    const failed = closed.find((result) => result.status === 'rejected')
    if (failed === undefined) return
    throw new InfraError('failed', 'the engine did not close', { subject: base.name, cause: failed.reason })
  }

  return {
    name: base.name,
    capabilities,
    ...(base.isShared === undefined ? {} : { isShared: base.isShared }),
    async apply(changes, options) {
      throwIfCancelled(options, 'apply')
      throwIfRefused(base.name, capabilities, changes)
      const reader = async (name: PartName, id: ServiceId): Promise<ServiceSnapshot | undefined> => {
        const found = (await parts.get(name)?.read({ ...options, only: [id] })) ?? []
        return found.find(({ service }) => serviceKey(service.id) === serviceKey(id))
      }
      await applying.take(async () => {
        const next = await sharesOf(changes, places, reader, (name) => parts.get(name)?.capabilities)
        await applyAll(next.shares, options)
        places = next.places
      })
    },
    async read(options) {
      const found: ServiceSnapshot[] = []
      for (const part of parts.values()) found.push(...(await part.read(options)))
      if (parts.size === 1) return found
      const order = new Map([...places.keys()].map((key, at) => [key, at]))
      const rank = ({ service }: ServiceSnapshot): number => order.get(serviceKey(service.id)) ?? -1
      return found.sort((a, b) => rank(a) - rank(b))
    },
    info: (options) => base.info(options),
    async zero(id, options) {
      const wanted = id === undefined ? [...parts.keys()] : [partOf(id, places)]
      for (const name of wanted) await parts.get(name)?.zero(id, options)
    },
    async *connections(options) {
      for (const part of parts.values()) yield* part.connections(options)
    },
    ...portsAs(base),
    ...(base.synchronisation === undefined ? {} : { synchronisation: base.synchronisation.bind(base) }),
    ...(base.trace === undefined ? {} : { trace: base.trace.bind(base) }),
    ...(base.release === undefined
      ? {}
      : { release: () => close((part) => part.release?.() ?? part[Symbol.asyncDispose]()) }),
    [Symbol.asyncDispose]: () => close((part) => part[Symbol.asyncDispose]()),
  }
}
