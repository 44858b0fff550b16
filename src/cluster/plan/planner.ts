/** Makes the plan: wanted against observed, into steps with reasons and an order. Pure. */
import type { ClusterSpec } from '../spec/model.ts'
import { blastOf } from './blast-radius.ts'
import { markedGuests, planClosing, planGuests } from './guest-steps.ts'
import type { Observed, Plan, Planned } from './plan.ts'
import { planServices } from './service-steps.ts'
import { stepBuilder } from './steps.ts'
import { type WantedGuest, wantedGuests } from './wanted.ts'

/** From what is observed to the spec. Empty when everything stands as wanted. */
export function planUp(spec: ClusterSpec, observed: Observed): Planned {
  const { placement } = observed
  if (placement !== undefined && placement.lacks.length > 0) return { kind: 'no-room', lacks: placement.lacks }
  const wanted = wantedGuests(spec, placement?.hosts)
  const conflicts = conflictsOf(spec, wanted, observed)
  if (conflicts.length > 0) return { kind: 'conflicts', conflicts }
  const builder = stepBuilder()
  const guestSteps = planGuests(spec, observed, wanted, builder)
  const served = planServices(spec, observed, wanted, guestSteps, builder)
  planClosing(guestSteps.closing, served, builder)
  const steps = builder.steps()
  return { kind: 'plan', plan: { cluster: spec.name, steps, blast: blastOf(spec, observed, steps) } }
}

/** Everything that bears the cluster's mark goes, wherever it is. */
export function planDown(spec: ClusterSpec, observed: Observed): Plan {
  const builder = stepBuilder()
  const servicesGone: string[] = []
  for (const [host, { director }] of observed.hosts)
    if (director?.services !== undefined)
      servicesGone.push(builder.add({ kind: 'services.remove', host }, host, 'the cluster is taken down'))
  const guestsGone = [...markedGuests(spec.name, observed)].map(([place, { host, state }]) =>
    builder.add({ kind: 'guest.remove', host, guest: state.definition.name }, place, 'the cluster is taken down', {
      after: servicesGone,
    }),
  )
  for (const [host, { director }] of observed.hosts)
    if (director !== undefined && !director.servesOthers)
      builder.add({ kind: 'director.stop', host }, host, 'it has nothing to serve', {
        needs: servicesGone,
        after: guestsGone,
      })
  const steps = builder.steps()
  return { cluster: spec.name, steps, blast: blastOf({ ...spec, guests: {}, services: {} }, observed, steps) }
}

/** A guest that somebody else made is never taken over. */
function conflictsOf(spec: ClusterSpec, wanted: ReadonlyMap<string, WantedGuest>, observed: Observed): string[] {
  const others = new Map<string, string>()
  for (const [host, { guests }] of observed.hosts)
    for (const { definition } of guests)
      if (definition.mark?.cluster !== spec.name)
        others.set(
          `${host}/${definition.name}`,
          definition.mark === undefined ? 'was made by hand' : `belongs to cluster ${definition.mark.cluster}`,
        )
  return [...wanted].flatMap(([name, { host }]) => {
    const owner = others.get(`${host}/${name}`)
    if (owner === undefined) return []
    return [`guest ${name} on ${host} ${owner}: rename the pool, or take that guest away first`]
  })
}
