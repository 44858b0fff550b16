/** What another tool's file has done beside the director that serves it: ldirectord's work, keepalived's notices. */
import type { Logger } from 'pino'
import { thisProgram } from '../../cluster/site.ts'
import type { NoticePlan } from '../../compat/keepalived/duties/plan.ts'
import type { WorkPlan } from '../../compat/ldirectord/duties/plan.ts'
import type { Director } from '../../director/director.ts'

export type Foreign =
  | { readonly kind: 'ldirectord'; readonly plan: WorkPlan; readonly text: string }
  | { readonly kind: 'keepalived'; readonly plan: NoticePlan }

export type Company = AsyncDisposable & {
  readonly kind: Foreign['kind']
  /** Another file of the same kind: to be called before its services are put. */
  follow(foreign: Foreign): void
  /** To be called once they are put. */
  begin(): void
}

export type AccompanyOptions = {
  readonly file: string
  readonly director: Director
  readonly cluster: string
  readonly log: Logger
  /** Reads the file again. Never throws. */
  readonly reload: () => Promise<void>
}

/** Loaded only for such a file. */
export async function accompany(foreign: Foreign, options: AccompanyOptions): Promise<Company> {
  const { director, cluster, file, log, reload } = options
  const write = (message: string): void => log.info({ component: foreign.kind }, message)
  if (foreign.kind === 'keepalived') {
    const { accompanyDirector } = await import('../../compat/keepalived/in-director.ts')
    const company = await accompanyDirector({ director, cluster, plan: foreign.plan, log: write })
    return {
      kind: foreign.kind,
      follow: (next) => void (next.kind === 'keepalived' && company.follow(next.plan)),
      begin: () => company.begin(),
      [Symbol.asyncDispose]: () => company[Symbol.asyncDispose](),
    }
  }
  const { accompanyDirector } = await import('../../compat/ldirectord/in-director.ts')
  const ldirectord = [...thisProgram(), 'ldirectord']
  const company = await accompanyDirector({ director, cluster, path: file, foreign, log: write, ldirectord, reload })
  return {
    kind: foreign.kind,
    follow: (next) => void (next.kind === 'ldirectord' && company.follow(next)),
    begin: () => undefined,
    [Symbol.asyncDispose]: () => company[Symbol.asyncDispose](),
  }
}
