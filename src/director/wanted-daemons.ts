/** Which synchronisation daemons are to run: those of the cluster that wants them, on the sides that it has now, or those made by hand. Pure. */
import type { SyncDaemon, SyncRole } from '../lvs/edit.ts'
import type { ClusterServices } from './control.ts'

/**
 * The sides that a cluster's synchronisation has now: what its role among the virtual routers says. Without one it has
 * both, as keepalived has it: who has no traffic has nothing to tell.
 */
export type SidesOf = (cluster: string) => readonly SyncRole[]

export const bothSides: readonly SyncRole[] = ['master', 'backup']

/** The cluster whose connections are synchronised: one director has one synchronisation. */
export function syncOwner(clusters: readonly ClusterServices[]): string | undefined {
  return clusters.find(({ sync }) => sync !== undefined)?.cluster
}

/** Master first. */
export function wantedDaemons(
  clusters: readonly ClusterServices[],
  byHand: readonly SyncDaemon[],
  sidesOf: SidesOf,
): readonly SyncDaemon[] {
  const owners = clusters.flatMap(({ cluster, sync }) => (sync === undefined ? [] : [{ cluster, sync }]))
  const [owner] = owners
  if (owner === undefined) return byHand
  const sides = sidesOf(owner.cluster)
  return bothSides.filter((role) => sides.includes(role)).map((role) => ({ role, ...owner.sync }))
}

/** What speaks against a cluster's synchronisation beside the engine. */
export function syncConflicts(
  wanted: ClusterServices,
  clusters: readonly ClusterServices[],
  byHand: readonly SyncDaemon[],
): string[] {
  if (wanted.sync === undefined) return []
  const owner = syncOwner(clusters.filter(({ cluster }) => cluster !== wanted.cluster))
  return [
    ...(owner === undefined ? [] : [`the connections of this director are synchronised by ${owner} already`]),
    ...byHand.map(({ role }) => `a synchronisation daemon (${role}) was started by hand`),
  ]
}
