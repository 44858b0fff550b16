/** What each action of a plan does. Each looks first and does only what is missing, so that it can run again. */
import { Bug, isInfraError } from '../../errors.ts'
import type { GuestDefinition } from '../../guests/hypervisor.ts'
import { shutdownOrDestroy } from '../../guests/power-off.ts'
import type { Action, PlannedGuest } from '../plan/plan.ts'
import type { Site } from '../site.ts'
import { guestDefinition } from './definition.ts'
import type { Membership } from './membership.ts'

export type ActionContext = {
  readonly cluster: string
  readonly sites: ReadonlyMap<string, Site>
  readonly membership: Membership
  /** The step's deadline and the user's Ctrl-C. */
  readonly signal: AbortSignal
  readonly progress: (text: string) => void
}

/** How long a guest may take to power off by itself before it is ended. */
const shutdownMs = 30_000

export async function runAction(action: Action, context: ActionContext): Promise<void> {
  const site = siteOf(context, action.host)
  const { signal, progress, membership, cluster } = context
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
      return startAgain(site, action.guest, context)
    case 'guest.restart':
    case 'guest.replace':
      return renewGuest(action.kind, site, action.guest, context)
    case 'guest.remove':
      await membership.leave(action.guest, { signal, progress })
      await powerOff(site, action.guest, context)
      await site.hypervisor.undefine(action.guest, { signal })
      // It may come back on another host: the services that the spec wants say whether.
      membership.mayReturn(action.guest)
      return
    case 'director.start':
      return site.director.launch(action, cluster, { signal })
    case 'director.stop':
      return site.director.stop({ signal })
    case 'services.apply':
      return membership.apply(site.director, { signal, progress })
    case 'services.remove':
      return ifDirected(() => site.director.control.removeCluster(cluster, { signal }))
    case 'services.wait':
      return membership.untilHealthy(site.director, { signal, progress })
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
  const image = await site.images.build(guest.image, guest.imageSpec, { signal, onProgress: progress })
  return guestDefinition(guest, image)
}

async function startAgain(site: Site, guest: string, { membership, signal, progress }: ActionContext): Promise<void> {
  await membership.forget(guest, { signal, progress })
  try {
    await site.hypervisor.start(guest, { signal })
    await membership.started(guest, { signal, progress })
  } finally {
    membership.mayReturn(guest)
  }
}

/** Drained, renewed, back in its services and healthy: only then the next of its pool has its turn. */
async function renewGuest(
  kind: 'guest.restart' | 'guest.replace',
  site: Site,
  guest: PlannedGuest,
  context: ActionContext,
): Promise<void> {
  const { membership, signal, progress } = context
  const definition = await definitionOf(site, guest, context)
  try {
    await membership.leave(guest.name, { signal, progress })
    await powerOff(site, guest.name, context)
    progress('starting')
    if (kind === 'guest.replace') await site.hypervisor.undefine(guest.name, { signal })
    await site.hypervisor.define(definition, { signal })
    await site.hypervisor.start(guest.name, { signal })
    await membership.started(guest.name, { signal, progress })
  } finally {
    membership.mayReturn(guest.name)
  }
  await joinServices(guest.name, context)
}

/** Into every service that wants it, and healthy there. */
export async function joinServices(guest: string, { membership, signal, progress }: ActionContext): Promise<void> {
  for (const director of membership.directors)
    await ifDirected(async () => {
      await membership.apply(director, { signal, progress }, guest)
      await membership.untilHealthy(director, { signal, progress }, guest)
    })
}

/** Asks it to power off; one that does not in time is ended. */
async function powerOff(site: Site, guest: string, { signal, progress }: ActionContext): Promise<void> {
  progress('shutting down')
  const onLate = (): void => progress('it does not power off: ending it')
  await shutdownOrDestroy(site.hypervisor, guest, { signal, patienceMs: shutdownMs, onLate }).catch(
    (error: unknown) => {
      if (!isInfraError(error, 'not-found')) throw error
    },
  )
}

/** Where no director runs there is nothing to do. */
async function ifDirected(body: () => Promise<void>): Promise<void> {
  try {
    await body()
  } catch (error) {
    if (!isInfraError(error, 'not-found')) throw error
  }
}
