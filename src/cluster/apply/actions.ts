/** What each action of a plan does. Each looks first and does only what is missing, so that it can run again. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { ClusterServices, DirectorStatus } from '../../director/control.ts'
import { Bug, InfraError, isInfraError } from '../../errors.ts'
import type { GuestDefinition, GuestState } from '../../guests/hypervisor.ts'
import type { BuiltImage } from '../../guests/images/image.ts'
import { formatEndpoint } from '../../lvs/service.ts'
import type { Action, PlannedGuest } from '../plan/plan.ts'
import { wantedServices } from '../plan/wanted.ts'
import type { Site } from '../site.ts'
import type { ClusterSpec } from '../spec/model.ts'
import { guestDefinition } from './definition.ts'

export type ActionContext = {
  readonly spec: ClusterSpec
  readonly sites: ReadonlyMap<string, Site>
  /** The step's deadline and the user's Ctrl-C. */
  readonly signal: AbortSignal
  readonly progress: (text: string) => void
}

/** How long a guest may take to power off by itself before it is ended; and its connections to finish before that. */
const shutdownMs = 30_000
const drainMs = 15_000
const pollMs = 50

export async function runAction(action: Action, context: ActionContext): Promise<void> {
  const site = siteOf(context, action.host)
  const { signal, progress, spec } = context
  switch (action.kind) {
    case 'image.build':
      await site.images.build(action.image, action.spec, { signal, onProgress: progress })
      return
    case 'guest.create':
    case 'guest.update':
      await site.hypervisor.define(await definitionOf(site, action.guest, context), { signal })
      if (action.kind === 'guest.create') await site.hypervisor.start(action.guest.name, { signal })
      return
    case 'guest.start':
      await site.hypervisor.start(action.guest, { signal })
      return
    case 'guest.restart':
    case 'guest.replace':
      return renewGuest(action.kind, site, action.guest, context)
    case 'guest.remove':
      await drainGuest(action.guest, context)
      await powerOff(site, action.guest, signal)
      await site.hypervisor.undefine(action.guest, { signal })
      return
    case 'director.start':
      return site.director.launch(action.engine, spec.name, { signal })
    case 'director.stop':
      return site.director.stop({ signal })
    case 'services.apply':
      return applyServices(site, context)
    case 'services.remove':
      return ifDirector(() => site.director.control.removeCluster(spec.name, { signal }))
    case 'services.wait':
      return waitHealthy(site, context)
  }
}

function siteOf({ sites }: ActionContext, name: string): Site {
  const site = sites.get(name)
  if (site === undefined) throw new Bug(`the plan names a host that is not open: ${name}`)
  return site
}

async function definitionOf(
  site: Site,
  guest: PlannedGuest,
  { signal, progress }: ActionContext,
): Promise<GuestDefinition> {
  const image: BuiltImage = await site.images.build(guest.image, guest.imageSpec, { signal, onProgress: progress })
  return guestDefinition(guest, image)
}

/** Drained, renewed, back in its services and healthy: only then the next of its pool has its turn. */
async function renewGuest(
  kind: 'guest.restart' | 'guest.replace',
  site: Site,
  guest: PlannedGuest,
  context: ActionContext,
): Promise<void> {
  const { signal, progress } = context
  const definition = await definitionOf(site, guest, context)
  await drainGuest(guest.name, context)
  progress('shutting down')
  await powerOff(site, guest.name, signal)
  if (kind === 'guest.replace') await site.hypervisor.undefine(guest.name, { signal })
  await site.hypervisor.define(definition, { signal })
  await site.hypervisor.start(guest.name, { signal })
  for (const director of directorSites(context)) {
    await ifDirector(async () => {
      await applyServices(director, context)
      progress('waiting until it is healthy')
      await waitHealthy(director, context, guest.name)
    })
  }
}

/** Asks it to power off; one that does not in time is ended. */
async function powerOff(site: Site, guest: string, signal: AbortSignal): Promise<void> {
  try {
    await site.hypervisor.shutdown(guest, { signal: AbortSignal.any([signal, AbortSignal.timeout(shutdownMs)]) })
  } catch (error) {
    if (isInfraError(error, 'not-found')) return
    if (signal.aborted || !isInfraError(error, 'timeout')) throw error
    await site.hypervisor.destroy(guest, { signal })
  }
}

/**
 * Weight 0 in every service until its connections have finished, or the time for that is over. This is a part of the
 * cluster's wanted services, not a drain by hand: the next `services.apply` undoes it.
 */
async function drainGuest(guest: string, context: ActionContext): Promise<void> {
  const { spec, signal, progress } = context
  for (const { director } of directorSites(context))
    await ifDirector(async () => {
      const services = (await director.control.status({ signal })).clusters.find(({ cluster }) => cluster === spec.name)
      if (services === undefined || !serves(services, guest)) return
      await director.control.putCluster(withoutWeight(services, guest), { signal })
      progress('draining')
      const end = performance.now() + drainMs
      while (busyConnections(await director.control.status({ signal }), guest) > 0 && performance.now() < end)
        await sleep(pollMs, undefined, { signal })
    })
}

const serves = ({ services }: ClusterServices, guest: string): boolean =>
  services.some(({ servers }) => servers.some((server) => server.guest === guest))

function withoutWeight(services: ClusterServices, guest: string): ClusterServices {
  return {
    ...services,
    services: services.services.map((service) => ({
      ...service,
      servers: service.servers.map((server) => (server.guest === guest ? { ...server, weight: 0 } : server)),
    })),
  }
}

function busyConnections({ services }: DirectorStatus, guest: string): number {
  return services
    .flatMap(({ servers }) => servers)
    .reduce((sum, server) => sum + (server.guest === guest ? server.active + server.inactive : 0), 0)
}

async function applyServices(site: Site, context: ActionContext): Promise<void> {
  const { spec, signal, sites } = context
  const guests = new Map<string, GuestState>()
  for (const { hypervisor } of sites.values())
    for (const state of await hypervisor.list({ signal }))
      if (state.definition.mark?.cluster === spec.name) guests.set(state.definition.name, state)
  const standing = (await site.director.control.status({ signal })).clusters.find(
    ({ cluster }) => cluster === spec.name,
  )
  await site.director.control.putCluster(wantedServices(spec, guests, standing), { signal })
}

/** Servers drained by hand are not waited for: they work, they only get nothing new. */
async function waitHealthy(site: Site, { spec, signal, progress }: ActionContext, guest?: string): Promise<void> {
  let said = ''
  for (;;) {
    const status = await site.director.control.status({ signal: AbortSignal.timeout(10_000) })
    const sick = status.services
      .filter(({ cluster }) => cluster === spec.name)
      .flatMap(({ servers }) => servers)
      .filter(
        (server) =>
          (guest === undefined || server.guest === guest) &&
          (server.health === 'unknown' || server.health === 'unhealthy'),
      )
    if (sick.length === 0) return
    const names = sick.map((server) => server.guest ?? formatEndpoint(server))
    const words = `waiting for ${[...new Set(names)].join(', ')}`
    if (words !== said) progress(words)
    said = words
    await sleep(pollMs, undefined, { signal }).catch(() => {
      const details = sick.map((server) => `${server.guest ?? formatEndpoint(server)} (${server.detail})`)
      throw new InfraError('timeout', `not healthy: ${[...new Set(details)].join(', ')}`, {
        subject: site.name,
        retryable: true,
        hint: 'baton status shows them; baton console GUEST shows what a guest says',
      })
    })
  }
}

function directorSites({ spec, sites }: ActionContext): readonly Site[] {
  return spec.directors.hosts.flatMap((name) => sites.get(name) ?? [])
}

/** No director, nothing to do there. */
async function ifDirector(body: () => Promise<void>): Promise<void> {
  try {
    await body()
  } catch (error) {
    if (!isInfraError(error, 'not-found')) throw error
  }
}
