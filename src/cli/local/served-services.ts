/** From a baton.yaml or an ldirectord.cf to the services that a director serves: in a thread when the file is large. */
import { statSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import { wantedServices } from '../../cluster/plan/wanted.ts'
import type { Diagnostic } from '../../cluster/spec/diagnostic.ts'
import type { WorkPlan } from '../../compat/ldirectord/duties/plan.ts'
import type { ClusterServices } from '../../director/control.ts'
import type { EngineName } from '../../engines/engine.ts'
import { capabilitiesOf } from '../../engines/open.ts'
import { threadFile } from '../../engines/thread-file.ts'
import { type ErrorMessage, errorMessage } from '../../engines/thread-messages.ts'
import { InfraError } from '../../errors.ts'
import { isKeepalived } from '../../formats/keepalived/detect.ts'
import { isLdirectord } from '../../formats/ldirectord/detect.ts'
import { readSpec, readText } from './spec-file.ts'

export type WantedEngine = EngineName | 'auto'

/** `services` or what stands against them. */
export type ServedServices = {
  readonly diagnostics: readonly Diagnostic[]
  readonly services?: ClusterServices
  /** Of an ldirectord.cf: what is to be done beside the director. */
  readonly foreign?: { readonly plan: WorkPlan; readonly text: string }
  readonly error?: ErrorMessage
}

/** Read at once in a few milliseconds. A larger file would hold up the checks of a director that serves. */
const smallBytes = 128 * 1024

export async function servedServices(file: string, engine: WantedEngine = 'auto'): Promise<ServedServices> {
  const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0
  return size <= smallBytes ? await readServed(file, engine) : await readInThread(file, engine)
}

/** Never rejects. */
export async function readServed(file: string, engine: WantedEngine = 'auto'): Promise<ServedServices> {
  let diagnostics: readonly Diagnostic[] = []
  try {
    const text = readText(file, false)
    const isOfKeepalived = isKeepalived(file, text)
    const isForeign = !isOfKeepalived && isLdirectord(file, text)
    const foreign = isForeign ? await readForeign(file, text, engine) : undefined
    const { spec, diagnostics: found } =
      foreign ?? (isOfKeepalived ? await readOfKeepalived(file, engine) : readSpec(file))
    diagnostics = found
    if (spec === undefined)
      throw new InfraError('invalid', `${file} has errors`, {
        subject: file,
        hint: `baton ${isForeign || isOfKeepalived ? 'import' : 'check'} ${file} names them`,
      })
    const named = Object.values(spec.services).filter(({ servers }) => servers.some(({ kind }) => kind === 'guests'))
    if (named.length > 0)
      throw new InfraError(
        'invalid',
        `${named.map(({ name }) => name).join(', ')}: servers that are guests have no fixed address`,
        { subject: file, hint: `baton up ${file} finds them, and starts a director by itself` },
      )
    const services = wantedServices(spec, new Map(), undefined)
    if (foreign === undefined) return { diagnostics, services }
    return { diagnostics, services, foreign: { plan: foreign.workPlan(foreign.parsed, services), text } }
  } catch (error) {
    return { diagnostics, error: errorMessage(error) }
  }
}

/** Loaded only for such a file: the fewer modules, the sooner a director that crashed is back. */
async function readForeign(file: string, text: string, wanted: WantedEngine) {
  const [{ readLdirectord }, { workPlan }] = await Promise.all([
    import('../../compat/ldirectord/file.ts'),
    import('../../compat/ldirectord/duties/plan.ts'),
  ])
  const engine = capabilitiesOf(wanted)
  const options = { company: 'director', ...(engine === undefined ? {} : { engine }) } as const
  return { ...(await readLdirectord(file, text, options)), workPlan }
}

async function readOfKeepalived(file: string, wanted: WantedEngine) {
  const { readKeepalived } = await import('../../compat/keepalived/file.ts')
  return readKeepalived(file, capabilitiesOf(wanted))
}

async function readInThread(file: string, engine: WantedEngine): Promise<ServedServices> {
  const entry = await threadFile('spec', '../cli/local/spec-worker.ts')
  const worker = new Worker(entry, { workerData: { file, engine }, execArgv: [], name: 'baton-spec' })
  return await new Promise((resolve, reject) => {
    const fail = (cause: unknown): void =>
      reject(new InfraError('failed', `${file} could not be read`, { subject: file, cause }))
    worker.once('message', resolve)
    worker.once('error', fail)
    worker.once('exit', (code) => fail(`the thread that reads it has ended with ${code}`))
  })
}
