/** Whoever sits at the far end of an SSH session is not to lose it by a program that takes its packets. */
import { InfraError } from '../../errors.ts'
import { type Interface, interfacesTowards, listInterfaces } from '../../os/interfaces.ts'
import { waysTo } from '../../os/route.ts'
import { ownSshSession, type SshSession } from '../../os/ssh-session.ts'
import { meetingPlaces } from './meeting-places.ts'
import type { EbpfTuning } from './tuning.ts'

/** What is known of the way back to the session's client. */
export type WayBack = {
  readonly session: SshSession
  /** By which its packets go now; undefined where there is no way. */
  readonly interface: string | undefined
  /** By which some route leads there. */
  readonly others: ReadonlySet<string>
}

/**
 * The interface that carries the only path of the session and is to be taken; undefined when there is another path, or none
 * is taken from it.
 */
export function onlyPathTaken(
  { interface: carrying, others }: WayBack,
  taken: readonly Interface[],
): string | undefined {
  const isTaken = (name: string): boolean => taken.some((own) => own.kind !== 'loopback' && own.name === name)
  if (carrying === undefined || !isTaken(carrying)) return undefined
  return [...others].every(isTaken) ? carrying : undefined
}

/**
 * Interfaces that are named are taken whatever they carry: that is how to be told.
 * @throws InfraError `unsupported` when those that are chosen are the only path of the SSH session that this process was started from.
 */
export function throwIfCutsOff({ interfaces }: Pick<EbpfTuning, 'interfaces'>): void {
  const session = interfaces === undefined ? ownSshSession() : undefined
  if (session === undefined) return
  const all = listInterfaces()
  const way = waysTo([session.client]).get(session.client)
  const carrying = all.find(({ index }) => index === way?.interface)?.name
  const back: WayBack = { session, interface: carrying, others: interfacesTowards(session.client) }
  const taken = onlyPathTaken(back, meetingPlaces(all, undefined))
  if (taken === undefined) return
  throw new InfraError(
    'unsupported',
    `interface ${taken} is the only path of this SSH session, from ${session.client}`,
    {
      subject: taken,
      hint: `name the interfaces to say that it may be taken: --interface ${taken}, or directors: { ebpf: { interfaces: [${taken}] } }`,
    },
  )
}
