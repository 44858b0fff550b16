/** The life of an ldirectord daemon: its services in a director, its work beside it, reloads, and its end. */
import type { ClusterServices } from '../../../director/control.ts'
import type { EngineName } from '../../../engines/engine.ts'
import { capabilitiesOf } from '../../../engines/open.ts'
import { describeError } from '../../../errors.ts'
import type { Finding } from '../../../formats/ldirectord/model.ts'
import { type Turns, turns } from '../../../turns.ts'
import { type Commands, changeOthers, runOthers } from '../duties/commands.ts'
import { type Company, openCompany } from '../duties/company.ts'
import type { Mailer } from '../duties/mailer.ts'
import type { OwnDirector } from './director.ts'
import { frozenServices } from './frozen.ts'
import type { Instance } from './instance.ts'
import { hasErrors, type ReadFile, readFile, type Served, servedOf } from './read.ts'

export type CompanionOptions = {
  readonly instance: Instance
  readonly director: OwnDirector
  readonly commands: Commands
  readonly mailer: Mailer
  readonly log: (message: string) => void
  /** What a file says that is read, at the start and at each reload. */
  readonly onFindings: (findings: readonly Finding[]) => void
  /** Another file may want another log. */
  readonly onServed: (served: Served) => void
}

export type Companion = {
  /** Reads the file again; one with an error changes nothing. Never throws. */
  reload(): Promise<void>
  /** Ends what is to end. Never throws. */
  stop(): Promise<void>
}

/** A file that cannot be served as it is; what is wrong with it was told. */
export class ConfigurationError extends Error {
  override readonly name = 'ConfigurationError'
}

const putMs = 60_000

type Self = CompanionOptions & {
  served: Served
  readonly company: Company
  /** A reload waits for the one before. */
  readonly changes: Turns
}

/** Resolves when its services stand. @throws ConfigurationError, InfraError: all is as before then. */
export async function openCompanion(
  options: CompanionOptions,
  first: ReadFile,
  signal: AbortSignal,
): Promise<Companion> {
  const { director, commands, instance, mailer } = options
  const { shown, path, name: cluster } = instance
  try {
    const { engine } = await director.ensure(signal)
    const served = convert(first, engine, options)
    const company = await openCompany({
      director: director.control,
      cluster,
      plan: served.plan,
      file: { path, shown, text: first.text },
      commands,
      mailer,
      regain: (closing) => regain(self, closing),
      reload: () => self.changes.take(() => reload(self)),
    })
    const self: Self = { ...options, served, company, changes: turns() }
    try {
      await put(self, served.wanted)
    } catch (error) {
      await company[Symbol.asyncDispose]()
      throw error
    }
    await runOthers(served.plan.others, 'start', commands)
    return { reload: () => self.changes.take(() => reload(self)), stop: () => stop(self) }
  } catch (error) {
    await director.endIfIdle().catch(() => undefined)
    throw error
  }
}

function put({ director }: CompanionOptions, wanted: ClusterServices): Promise<void> {
  return director.control.putCluster(wanted, { signal: AbortSignal.timeout(putMs) })
}

function convert(read: ReadFile, engine: EngineName, { instance, onFindings }: CompanionOptions): Served {
  const { served, findings } = servedOf(read, instance.name, capabilitiesOf(engine))
  onFindings(findings)
  if (served === undefined) throw new ConfigurationError('Configuration Error')
  return served
}

/** After the director has ended: its supervisor brings it back with all that it had; else we do. */
async function regain(self: Self, closing: AbortSignal): Promise<void> {
  const { clusters } = await self.director.ensure(closing)
  if (!clusters.some(({ cluster }) => cluster === self.instance.name)) await put(self, self.served.wanted)
}

async function reload(self: Self): Promise<void> {
  const { instance, onFindings, director, company, commands } = self
  const before = self.served
  try {
    const read = await readFile(instance.path, true)
    company.read(read.text)
    onFindings(read.findings)
    if (hasErrors(read.findings)) return
    const { engine } = await director.ensure(AbortSignal.timeout(putMs))
    const next = convert(read, engine, self)
    company.follow(next.plan)
    try {
      await put(self, next.wanted)
    } catch (error) {
      company.follow(before.plan)
      throw error
    }
    self.served = next
    self.onServed(next)
    await changeOthers(before.plan.others, next.plan.others, commands)
  } catch (error) {
    if (error instanceof ConfigurationError) return
    self.log(`Error [${process.pid}]: ${describeError(error)}: nothing was changed`)
  }
}

async function stop(self: Self): Promise<void> {
  const { changes, commands, served, company, director, log } = self
  const tell = (error: unknown): void => log(`Error [${process.pid}]: ${describeError(error)}`)
  await changes.idle()
  await runOthers(served.plan.others, 'stop', commands)
  company.stop()
  await clean(self).catch(tell)
  await company[Symbol.asyncDispose]()
  await director.endIfIdle().catch(tell)
}

/** All goes but what has cleanstop=no. */
async function clean(self: Self): Promise<void> {
  const { served, director, instance, company } = self
  const signal = AbortSignal.timeout(putMs)
  const somethingStays = [...served.plan.services.values()].some(({ isCleaned }) => !isCleaned)
  const left = somethingStays ? frozenServices(served, await director.control.table({ signal })) : undefined
  if (left === undefined) await director.control.removeCluster(instance.name, { signal })
  else await put(self, left)
  await company.told()
}
