/** From a baton.yaml or an ldirectord.cf to the services that a director serves: in a thread when the file is large. */
import { statSync } from 'node:fs'
import { hostname } from 'node:os'
import { Worker } from 'node:worker_threads'
import { engineFor } from '../../cluster/engine-for.ts'
import { wantedServices } from '../../cluster/plan/wanted.ts'
import type { Diagnostic } from '../../cluster/spec/diagnostic.ts'
import type { ChosenEngine } from '../../cluster/spec/engine-check.ts'
import { given } from '../../cluster/spec/given.ts'
import type { ClusterServices } from '../../director/control.ts'
import type { EngineName } from '../../engines/engine.ts'
import { threadFile } from '../../engines/thread-file.ts'
import { type ErrorMessage, errorMessage } from '../../engines/thread-messages.ts'
import { InfraError } from '../../errors.ts'
import { isKeepalived } from '../../formats/keepalived/detect.ts'
import { isLdirectord } from '../../formats/ldirectord/detect.ts'
import type { Foreign } from './foreign.ts'
import { type ChosenBy, readSpec, readText } from './spec-file.ts'

export type WantedEngine = EngineName | 'auto'

/** `services` or what stands against them. */
export type ServedServices = {
  readonly diagnostics: readonly Diagnostic[]
  readonly services?: ClusterServices
  /** What is to carry them. */
  readonly engine?: ChosenEngine
  /** Of another tool's file: what is to be done beside the director. */
  readonly foreign?: Foreign
  readonly error?: ErrorMessage
}

/** Read at once in a few milliseconds. A larger file would hold up the checks of a director that serves. */
const smallBytes = 128 * 1024

/** `engine`: in place of the file's; `standing`: what ran here before, for `auto`. */
export async function servedServices(
  file: string,
  engine: WantedEngine = 'auto',
  standing?: EngineName,
): Promise<ServedServices> {
  const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0
  const chosen = { ...(engine === 'auto' ? {} : { wanted: engine }), ...(standing === undefined ? {} : { standing }) }
  return size <= smallBytes ? await readServed(file, chosen) : await readInThread(file, chosen)
}

/** Never rejects. */
export async function readServed(file: string, chosen: ChosenBy = {}): Promise<ServedServices> {
  let diagnostics: readonly Diagnostic[] = []
  try {
    const text = readText(file, false)
    const isOfKeepalived = isKeepalived(file, text)
    const isForeign = isOfKeepalived || isLdirectord(file, text)
    const {
      spec,
      engine,
      diagnostics: found,
      foreign,
    } = isOfKeepalived
      ? await readOfKeepalived(file, chosen)
      : isForeign
        ? await readOfLdirectord(file, text, chosen)
        : { ...readSpec(file, chosen), foreign: undefined }
    diagnostics = found
    if (spec === undefined)
      throw new InfraError('invalid', `${file} has errors`, {
        subject: file,
        hint: `baton ${isForeign ? 'import' : 'check'} ${file} names them`,
      })
    const named = Object.values(spec.services).filter(({ servers }) => servers.some(({ kind }) => kind === 'guests'))
    if (named.length > 0)
      throw new InfraError(
        'invalid',
        `${named.map(({ name }) => name).join(', ')}: servers that are guests have no fixed address`,
        { subject: file, hint: `baton up ${file} finds them, and starts a director by itself` },
      )
    const own = spec.directors.hosts.find((name) => name === hostname())
    const services = wantedServices(spec, new Map(), undefined, own)
    const read = { diagnostics, services, ...given('engine', engine) }
    if (foreign === undefined) return read
    return { ...read, foreign: foreign(services) }
  } catch (error) {
    return { diagnostics, error: errorMessage(error) }
  }
}

/** Loaded only for such a file: the fewer modules, the sooner a director that crashed is back. */
async function readOfLdirectord(file: string, text: string, chosen: ChosenBy) {
  const [{ readLdirectord }, { workPlan }] = await Promise.all([
    import('../../compat/ldirectord/file.ts'),
    import('../../compat/ldirectord/duties/plan.ts'),
  ])
  const company = 'director' as const
  const { spec } = await readLdirectord(file, text, { company })
  const engine = spec && engineFor(spec, chosen)
  const read = await readLdirectord(file, text, { company, ...given('engine', engine) })
  const foreign = (services: ClusterServices): Foreign => ({
    kind: 'ldirectord',
    plan: workPlan(read.parsed, services),
    text,
  })
  return { ...read, engine, foreign }
}

async function readOfKeepalived(file: string, chosen: ChosenBy) {
  const [{ machine, readKeepalived }, { noticePlan }] = await Promise.all([
    import('../../compat/keepalived/file.ts'),
    import('../../compat/keepalived/duties/plan.ts'),
  ])
  const { spec } = readKeepalived(file)
  const engine = spec && engineFor(spec, chosen)
  const read = readKeepalived(file, { hasCompany: true, ...given('engine', engine) })
  const foreign = (): Foreign => ({ kind: 'keepalived', plan: noticePlan(read.parsed, machine()) })
  return { ...read, engine, foreign }
}

async function readInThread(file: string, chosen: ChosenBy): Promise<ServedServices> {
  const entry = await threadFile('spec', '../cli/local/spec-worker.ts')
  const worker = new Worker(entry, { workerData: { file, chosen }, execArgv: [], name: 'baton-spec' })
  return await new Promise((resolve, reject) => {
    const fail = (cause: unknown): void =>
      reject(new InfraError('failed', `${file} could not be read`, { subject: file, cause }))
    worker.once('message', resolve)
    worker.once('error', fail)
    worker.once('exit', (code) => fail(`the thread that reads it has ended with ${code}`))
  })
}
