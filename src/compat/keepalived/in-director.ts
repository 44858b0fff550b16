/** What keepalived does beside its servers and routers, in the director's own process: `baton director --config keepalived.conf`. */
import type { DirectorControl } from '../../director/control.ts'
import { InfraError } from '../../errors.ts'
import { openCompany } from './duties/company.ts'
import type { NoticePlan } from './duties/plan.ts'

export type InDirectorOptions = {
  readonly director: Pick<DirectorControl, 'status' | 'events'>
  readonly cluster: string
  readonly plan: NoticePlan
  readonly log: (message: string) => void
}

export type InDirector = AsyncDisposable & {
  /** Another file: to be called before its services are put. */
  follow(plan: NoticePlan): void
  /** To be called once they are put. */
  begin(): void
}

/** Ends when all was told of the end: its routers have to be gone by then. */
export async function accompanyDirector(options: InDirectorOptions): Promise<InDirector> {
  const company = await openCompany({
    ...options,
    // The director lives as long as this process: its events end with it, and with nothing else.
    regain: () => Promise.reject(new InfraError('unreachable', 'the director has ended', { subject: 'director' })),
  })
  return {
    follow: (plan) => company.follow(plan),
    begin: () => company.begin(),
    async [Symbol.asyncDispose]() {
      await company.told()
      await company[Symbol.asyncDispose]()
    },
  }
}
