/** The life of a keepalived daemon: its servers and routers in a director, its notices beside it, reloads, and its end. */
import { wantedServices } from '../../../cluster/plan/wanted.ts'
import { formatDiagnostic } from '../../../cluster/spec/diagnostic.ts'
import { printSpec } from '../../../cluster/spec/print.ts'
import type { ClusterServices } from '../../../director/control.ts'
import type { EngineName } from '../../../engines/engine.ts'
import { capabilitiesOf } from '../../../engines/open.ts'
import { describeError, InfraError } from '../../../errors.ts'
import { type Turns, turns } from '../../../turns.ts'
import type { OwnDirector } from '../../ldirectord/program/director.ts'
import type { StartOptions } from '../arguments.ts'
import { type Company, openCompany } from '../duties/company.ts'
import { type NoticePlan, noticePlan } from '../duties/plan.ts'
import { machine, readKeepalived } from '../file.ts'

export type CompanionOptions = {
  readonly file: string
  readonly start: Pick<StartOptions, 'configId' | 'allIncludes' | 'parts' | 'dumps'>
  readonly director: OwnDirector
  readonly log: (message: string) => void
}

export type Companion = {
  /** Reads the file again: roles and health stay; one with an error changes nothing. Never throws. */
  reload(): Promise<void>
  /** Ends what it had in the director. Never throws. */
  stop(): Promise<void>
}

const putMs = 60_000

type Served = { readonly wanted: ClusterServices; readonly plan: NoticePlan }
type Self = CompanionOptions & { served: Served; readonly company: Company; readonly changes: Turns }

/** Resolves when its servers and routers stand. @throws InfraError: all is as before then. */
export async function openCompanion(options: CompanionOptions, signal: AbortSignal): Promise<Companion> {
  const { director, log } = options
  try {
    const { engine } = await director.ensure(signal)
    const served = serve(options, engine)
    const company = await openCompany({
      director: director.control,
      cluster: served.wanted.cluster,
      plan: served.plan,
      log,
      regain: (closing) => regain(self, closing),
    })
    const self: Self = { ...options, served, company, changes: turns() }
    try {
      await put(self, served.wanted)
      company.begin()
    } catch (error) {
      await company[Symbol.asyncDispose]()
      throw error
    }
    return { reload: () => self.changes.take(() => reload(self)), stop: () => stop(self) }
  } catch (error) {
    await director.endIfIdle().catch(() => undefined)
    throw error
  }
}

/** @throws InfraError `invalid` after everything was said that stands against the file. */
function serve({ file, start, log }: CompanionOptions, engine: EngineName): Served {
  const { parts, dumps, configId, allIncludes } = start
  const { spec, diagnostics, parsed, cluster } = readKeepalived(file, {
    allIncludes,
    hasCompany: true,
    ...(configId === undefined ? {} : { configId }),
    engine: capabilitiesOf(engine),
  })
  for (const diagnostic of diagnostics) log(formatDiagnostic(diagnostic))
  if (spec === undefined)
    throw new InfraError('invalid', `${file} has errors: nothing of it is served`, { subject: file })
  if (dumps) for (const line of printSpec(spec).trimEnd().split('\n')) log(line)
  const { vrrp, ...wanted } = wantedServices(spec, new Map(), undefined)
  return {
    wanted: {
      ...wanted,
      cluster,
      services: parts === 'vrrp' ? [] : wanted.services,
      ...(vrrp === undefined || parts === 'checkers' ? {} : { vrrp }),
    },
    plan: noticePlan(parsed, machine()),
  }
}

function put({ director }: CompanionOptions, wanted: ClusterServices): Promise<void> {
  return director.control.putCluster(wanted, { signal: AbortSignal.timeout(putMs) })
}

/** After the director has ended: its supervisor brings it back with all that it had; else we do. */
async function regain(self: Self, closing: AbortSignal): Promise<void> {
  const { wanted } = self.served
  const { clusters } = await self.director.ensure(closing)
  if (!clusters.some(({ cluster }) => cluster === wanted.cluster)) await put(self, wanted)
}

async function reload(self: Self): Promise<void> {
  const { director, company, log } = self
  const before = self.served
  log('Reloading ...')
  try {
    const { engine } = await director.ensure(AbortSignal.timeout(putMs))
    const next = serve(self, engine)
    company.follow(next.plan)
    try {
      await put(self, next.wanted)
    } catch (error) {
      company.follow(before.plan)
      throw error
    }
    self.served = next
    company.begin()
    log('Reload complete')
  } catch (error) {
    log(`${describeError(error)}: nothing was changed`)
  }
}

async function stop(self: Self): Promise<void> {
  const { changes, served, company, director, log } = self
  const tell = (error: unknown): void => log(describeError(error))
  await changes.idle()
  const signal = AbortSignal.timeout(putMs)
  await director.control.removeCluster(served.wanted.cluster, { signal }).catch(tell)
  await company.told()
  await company[Symbol.asyncDispose]()
  await director.endIfIdle().catch(tell)
}
