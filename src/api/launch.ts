/** Starting the supervised director of a host, and ending it without a trace. */
import { setTimeout as sleep } from 'node:timers/promises'
import { within } from '../deadline.ts'
import type { DirectorControl, DirectorStatus, StopRequest } from '../director/control.ts'
import { type EbpfTuning, isTuned, tuningArguments } from '../engines/ebpf/tuning.ts'
import type { EngineName } from '../engines/engine.ts'
import { InfraError, isInfraError } from '../errors.ts'
import type { Host } from '../hosts/host.ts'
import { directorClient } from './client.ts'
import { directorFiles } from './files.ts'

type CallOptions = { readonly signal: AbortSignal }

export type Launch = {
  readonly engine: EngineName | 'auto'
  readonly ebpf?: EbpfTuning
  /** Why this engine, where it was chosen among others. */
  readonly because?: string
  /** One that runs already will do, whatever its engine. */
  readonly keeps?: boolean
  /** The command that runs this very Baton. */
  readonly program: readonly string[]
}

const startMs = 15_000
/** A longer log is put aside at the next start. */
const maxLogBytes = 10 * 1024 * 1024

/**
 * Makes sure that a director with this engine runs, and resolves when it answers. One that runs with another engine is
 * ended and started anew, unless it also serves other clusters; one whose ebpf engine is tuned otherwise keeps its traffic
 * meanwhile. @throws InfraError `busy` when it serves others.
 */
export async function launchDirector(
  host: Host,
  launch: Launch,
  { signal }: CallOptions,
  cluster?: string,
): Promise<DirectorControl> {
  const control = directorClient(host)
  const { launch: lock } = directorFiles(host)
  await using _lock = await host.lock(lock, { signal })
  try {
    const standing = await runningStatus(control, signal)
    if (standing !== undefined) {
      const isSameEngine = launch.engine === 'auto' || standing.engine === launch.engine
      const isAsWanted = standing.engine !== 'ebpf' || isTuned(standing.ebpf, launch.ebpf)
      if (launch.keeps === true || (isSameEngine && isAsWanted)) return control
      const others = standing.clusters.filter((other) => other.cluster !== cluster).map((other) => other.cluster)
      if (standing.services.some((service) => service.cluster === undefined)) others.push('what was made by hand')
      if (others.length > 0 && !isSameEngine)
        throw new InfraError('busy', `the director runs the ${standing.engine} engine for ${others.join(', ')}`, {
          subject: host.name,
          hint: `use engine: ${standing.engine}, or take the other clusters down first`,
        })
      await end(host, control, signal, isSameEngine)
    }
    await start(host, launch, control, signal)
    return control
  } finally {
    await host.remove(lock, { signal: AbortSignal.timeout(5_000) })
  }
}

async function start(
  host: Host,
  { engine, because, ebpf, program }: Launch,
  control: DirectorControl,
  signal: AbortSignal,
): Promise<void> {
  const { runtime, state, cache } = host.directories
  const { directory, log: logFile } = directorFiles(host)
  await host.makeDirectory(directory, { signal, mode: 0o700 })
  const size = await host.run(['stat', '-c', '%s', logFile], { signal })
  if (Number(size.stdout) > maxLogBytes) await host.rename(logFile, `${logFile}.1`, { signal })
  const why = because === undefined ? [] : ['--because', because]
  const words = ['director', '--supervise', '--engine', engine, ...why, ...tuningArguments(ebpf)]
  const pid = await host.spawn([...program, ...words], {
    signal,
    logFile,
    environment: { BATON_RUNTIME_DIR: runtime, BATON_STATE_DIR: state, BATON_CACHE_DIR: cache },
  })
  const deadline = within(signal, startMs)
  while ((await runningStatus(control, deadline)) === undefined) {
    if (!(await host.signal(pid, 0, { signal: deadline }))) throw await ended(host, logFile, signal)
    await sleep(20, undefined, { signal: deadline }).catch(async () => {
      throw await ended(host, logFile, signal)
    })
  }
}

async function ended(host: Host, logFile: string, signal: AbortSignal): Promise<InfraError> {
  const log = await host.run(['tail', '-n', '5', '--', logFile], { signal })
  const messages = log.stdout.split('\n').flatMap((line) => /"msg":"((?:[^"\\]|\\.)*)"/.exec(line)?.[1] ?? [])
  return new InfraError('failed', `the director did not start: ${messages.at(-1) ?? 'it said nothing'}`, {
    subject: host.name,
    hint: `its log is ${logFile}`,
  })
}

/**
 * Ends the director if one runs, and waits until it and its supervisor have gone, with whatever a launch that was killed
 * left. With `keep` its traffic goes on. Resolves to the one that ran. @throws InfraError `unsupported` where it cannot.
 */
export async function stopDirector(
  host: Host,
  { signal, keep = false }: CallOptions & StopRequest,
): Promise<DirectorStatus | undefined> {
  const control = directorClient(host)
  const { launch: lock } = directorFiles(host)
  const standing = await runningStatus(control, signal)
  if (standing === undefined && (await host.readFile(lock, { signal })) === undefined) return undefined
  await using _lock = await host.lock(lock, { signal })
  try {
    return await end(host, control, signal, keep)
  } finally {
    await host.remove(lock, { signal: AbortSignal.timeout(5_000) })
  }
}

/** The caller holds the launch lock: nobody starts another one meanwhile. */
async function end(
  host: Host,
  control: DirectorControl,
  signal: AbortSignal,
  keep: boolean,
): Promise<DirectorStatus | undefined> {
  const standing = await runningStatus(control, signal)
  if (standing === undefined) return undefined
  const written = await host.readFile(directorFiles(host).pid, { signal })
  const supervisor = written === undefined ? standing.pid : Number(new TextDecoder().decode(written))
  await control.stop({ signal, keep })
  for (const pid of new Set([standing.pid, supervisor]))
    while (await host.signal(pid, 0, { signal }))
      await sleep(20, undefined, { signal }).catch(() => {
        throw new InfraError('timeout', `the director (process ${pid}) did not end`, {
          subject: host.name,
          retryable: true,
        })
      })
  return standing
}

/** Takes away what a launch that was killed has left. */
export async function sweepLaunch(host: Host, { signal }: CallOptions): Promise<void> {
  const { launch } = directorFiles(host)
  if ((await host.readFile(launch, { signal })) === undefined) return
  await using _lock = await host.lock(launch, { signal })
  await host.remove(launch, { signal })
}

/**
 * Takes away the traffic that a director which has ended has left in the kernel, and what it kept of it. Whether there was
 * anything. @throws InfraError `busy` while it lives.
 */
export async function removeTraffic(host: Host, { signal }: CallOptions): Promise<boolean> {
  const { removeEbpfTraces } = await import('../engines/open.ts')
  const { removeIpvsTraces } = await import('./left-in-ipvs.ts')
  const { removeRouterTraces } = await import('./left-by-routers.ts')
  const ofEbpf = await removeEbpfTraces(host.directories.runtime)
  const ofRouters = await removeRouterTraces(host, { signal })
  const removed = (await removeIpvsTraces(host, { signal })) || ofEbpf || ofRouters
  const { kept, byHand } = directorFiles(host)
  for (const path of removed ? [kept, byHand] : []) await host.remove(path, { signal })
  return removed
}

/** As `removeTraffic`, unless a director runs, or something else than this cluster is wanted, or kept on purpose. */
export async function sweepTraffic(host: Host, cluster: string, { signal }: CallOptions): Promise<void> {
  if ((await runningStatus(directorClient(host), signal)) !== undefined) return
  if ((await host.readFile(directorFiles(host).kept, { signal })) !== undefined) return
  const { fileIntentStore } = await import('../director/intent.ts')
  const { intent } = await fileIntentStore(host).load({ signal })
  if (intent.clusters.every((one) => one.cluster === cluster)) await removeTraffic(host, { signal })
}

/** undefined when none runs. */
async function runningStatus(control: DirectorControl, signal: AbortSignal): Promise<DirectorStatus | undefined> {
  try {
    return await control.status({ signal })
  } catch (error) {
    if (isInfraError(error) && (error.code === 'not-found' || error.code === 'unreachable')) return undefined
    throw error
  }
}
