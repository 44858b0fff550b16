/** The services of a baton.yaml, an ldirectord.cf or a keepalived.conf, served by a director of one's own: read at its start and at each SIGHUP. */
import type { Logger } from 'pino'
import { formatDiagnostic } from '../../cluster/spec/diagnostic.ts'
import type { ClusterServices } from '../../director/control.ts'
import type { Director } from '../../director/director.ts'
import type { EngineName } from '../../engines/engine.ts'
import { errorMessage } from '../../engines/thread-messages.ts'
import { Bug, describeError, InfraError } from '../../errors.ts'
import { errorLines, type Output } from '../output.ts'
import { accompany, type Company, type Foreign } from './foreign.ts'
import { servedServices } from './served-services.ts'

/** How long the services of a file may take to stand. */
const putMs = 60_000

export type ServedFile = {
  /** @throws InfraError when the file is wrong; when the director was only `restarted`, it goes on with what it had. */
  serve(director: Director, restarted: boolean): Promise<void>
  reload(): void
  /** At the director's end. */
  end(): Promise<void>
}

/** The services of a file, put as a cluster; a file that is wrong changes nothing. */
export function servedFile(file: string, engine: EngineName, log: Logger, output: Output | undefined): ServedFile {
  let director: Director | undefined
  let standing: Read | undefined
  /** Of another tool's file. */
  let company: Company | undefined
  let last: Promise<void> = Promise.resolve()

  const put = async (serving: Director): Promise<void> => {
    const read = await readServices(file, engine, log, output)
    const { services: wanted, foreign } = read
    const options = { signal: AbortSignal.timeout(putMs) }
    const former =
      standing !== undefined && standing.services.cluster !== wanted.cluster ? standing.services : undefined
    if (former !== undefined) await serving.removeCluster(former.cluster, options)
    if (company !== undefined && company.kind !== foreign?.kind) {
      await company[Symbol.asyncDispose]()
      company = undefined
    }
    if (foreign !== undefined && company !== undefined) company.follow(foreign)
    else if (foreign !== undefined)
      company = await accompany(foreign, { file, director: serving, cluster: wanted.cluster, log, reload })
    try {
      await serving.putCluster(wanted, options)
      standing = read
      company?.begin()
    } catch (error) {
      if (former !== undefined) await serving.putCluster(former, options)
      if (standing?.foreign !== undefined) company?.follow(standing.foreign)
      throw error
    }
  }
  const fail = (error: unknown): void => {
    log.error({ component: 'director', file, reason: describeError(error) }, 'the file was not taken; nothing changed')
    output?.note(errorLines(error))
  }
  const reload = (): Promise<void> => {
    const serving = director
    // Before it serves, the file is still to be read for the first time.
    if (serving === undefined) return last
    last = last
      .then(() => put(serving))
      .then(() => log.info({ component: 'director', file }, 'the file was read again'), fail)
    return last
  }
  return {
    async serve(serving, restarted) {
      director = serving
      const first = last.then(() => put(serving))
      last = first.catch(() => undefined)
      await first.catch((error: unknown) => {
        if (!restarted) throw error
        fail(error)
      })
    },
    reload: () => void reload(),
    async end() {
      await last
      if (company?.kind === 'keepalived') await endRouters(director, standing)
      await company?.[Symbol.asyncDispose]()
    },
  }
}

/** First: keepalived's commands are told how each of them ends. */
async function endRouters(director: Director | undefined, standing: Read | undefined): Promise<void> {
  if (director === undefined || standing?.services.vrrp === undefined) return
  const { vrrp: _, ...services } = standing.services
  await director.putCluster(services, { signal: AbortSignal.timeout(putMs) }).catch(() => undefined)
}

type Read = { readonly services: ClusterServices; readonly foreign: Foreign | undefined }

/** @throws InfraError `invalid` after every diagnostic has been said. */
async function readServices(file: string, engine: EngineName, log: Logger, output: Output | undefined): Promise<Read> {
  const { diagnostics, services, foreign, error } = await servedServices(file, engine)
  for (const diagnostic of diagnostics) {
    const { severity, line, column, message, hint } = diagnostic
    const entry = { component: 'director', file: diagnostic.file, line, column, hint }
    if (severity === 'error') log.error(entry, message)
    else log.warn(entry, message)
  }
  output?.note(diagnostics.map(formatDiagnostic))
  if (services !== undefined) return { services, foreign }
  const { code, message, hint, subject, retryable } = error ?? errorMessage(new Bug('neither services nor an error'))
  throw new InfraError(code, message, { subject, retryable, ...(hint === undefined ? {} : { hint }) })
}
