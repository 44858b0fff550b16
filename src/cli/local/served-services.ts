/** From a file to the services that a director serves by itself: in a thread when the file is large. */
import { statSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import { wantedServices } from '../../cluster/plan/wanted.ts'
import type { Diagnostic } from '../../cluster/spec/diagnostic.ts'
import type { ClusterServices } from '../../director/control.ts'
import { threadFile } from '../../engines/thread-file.ts'
import { type ErrorMessage, errorMessage } from '../../engines/thread-messages.ts'
import { InfraError } from '../../errors.ts'
import { readSpec } from './spec-file.ts'

/** `services` or what stands against them. */
export type ServedServices = {
  readonly diagnostics: readonly Diagnostic[]
  readonly services?: ClusterServices
  readonly error?: ErrorMessage
}

/** Read at once in a few milliseconds. A larger file would hold up the checks of a director that serves. */
const smallBytes = 128 * 1024

export async function servedServices(file: string): Promise<ServedServices> {
  const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0
  return size <= smallBytes ? readServed(file) : await readInThread(file)
}

/** Never throws. */
export function readServed(file: string): ServedServices {
  let diagnostics: readonly Diagnostic[] = []
  try {
    const { spec, diagnostics: found } = readSpec(file)
    diagnostics = found
    if (spec === undefined)
      throw new InfraError('invalid', `${file} has errors`, { subject: file, hint: `baton check ${file} names them` })
    const named = Object.values(spec.services).filter(({ servers }) => servers.some(({ kind }) => kind === 'guests'))
    if (named.length > 0)
      throw new InfraError(
        'invalid',
        `${named.map(({ name }) => name).join(', ')}: servers that are guests have no fixed address`,
        { subject: file, hint: `baton up ${file} finds them, and starts a director by itself` },
      )
    return { diagnostics, services: wantedServices(spec, new Map(), undefined) }
  } catch (error) {
    return { diagnostics, error: errorMessage(error) }
  }
}

async function readInThread(file: string): Promise<ServedServices> {
  const entry = await threadFile('spec', '../cli/local/spec-worker.ts')
  const worker = new Worker(entry, { workerData: { file }, execArgv: [], name: 'baton-spec' })
  return await new Promise((resolve, reject) => {
    const fail = (cause: unknown): void =>
      reject(new InfraError('failed', `${file} could not be read`, { subject: file, cause }))
    worker.once('message', resolve)
    worker.once('error', fail)
    worker.once('exit', (code) => fail(`the thread that reads it has ended with ${code}`))
  })
}
