/** The QEMU process of a guest: is it ours, what does it use, how does it end. */
import { setTimeout as sleep } from 'node:timers/promises'
import { within } from '../../deadline.ts'
import { InfraError, isInfraError } from '../../errors.ts'
import type { Host } from '../../hosts/host.ts'
import { abortError } from '../../hosts/local/failures.ts'
import type { GuestPaths } from './paths.ts'

type Signalled = { readonly signal: AbortSignal }

/** How long an orderly end may take before the process is killed. */
const graceMs = 3_000

/**
 * The pid of the running guest. `crashed`: a pid file is left over from a process that did not end in order, also when
 * its number belongs to another program now. undefined: it does not run.
 */
export async function findProcess(
  host: Host,
  paths: Pick<GuestPaths, 'pid'>,
  options: Signalled,
): Promise<number | 'crashed' | undefined> {
  const content = await host.readFile(paths.pid, options)
  if (content === undefined) return undefined
  const pid = Number.parseInt(new TextDecoder().decode(content), 10)
  if (await isOurs(host, pid, paths, options)) return pid
  // Between the two looks it may have ended in order, or have been started again.
  const again = await host.readFile(paths.pid, options)
  if (again === undefined) return undefined
  const newPid = Number.parseInt(new TextDecoder().decode(again), 10)
  return newPid !== pid && (await isOurs(host, newPid, paths, options)) ? newPid : 'crashed'
}

/** argv names the pid file, which no other program's does; a zombie has no argv. */
async function isOurs(host: Host, pid: number, paths: Pick<GuestPaths, 'pid'>, options: Signalled): Promise<boolean> {
  if (!Number.isInteger(pid) || pid <= 0) return false
  const commandLine = await host.readFile(`/proc/${pid}/cmdline`, options).catch((error: unknown) => {
    if (isInfraError(error, 'failed')) return undefined // ESRCH: it ended while it was read
    throw error
  })
  return commandLine !== undefined && new TextDecoder().decode(commandLine).split('\0').includes(paths.pid)
}

/** Waits until the process is gone. @throws InfraError `timeout` or `cancelled` by the signal. */
export async function untilGone(
  host: Host,
  pid: number,
  paths: GuestPaths,
  { signal, what, hint }: Signalled & { readonly what: string; readonly hint?: string },
): Promise<void> {
  for (let waitMs = 5; ; waitMs = Math.min(waitMs * 2, 100)) {
    if (!(await isOurs(host, pid, paths, { signal: AbortSignal.timeout(10_000) }))) return
    await sleep(waitMs, undefined, { signal }).catch(() => {
      const { code, message } = abortError(signal, what, what)
      throw new InfraError(code, message, { subject: what, retryable: true, ...(hint === undefined ? {} : { hint }) })
    })
  }
}

/**
 * Ends the guest's process now: QEMU writes back what its guest has flushed and goes; one that hangs is killed. Also
 * ends a process of this guest that no pid file tells of, because its starter died or the file was deleted.
 */
export async function endProcess(host: Host, name: string, paths: GuestPaths, options: Signalled): Promise<void> {
  // Again until there is none: one that is just going to the background has a child that was not seen.
  for (;;) {
    const known = await findProcess(host, paths, options)
    const pids = new Set(await strayProcesses(host, paths, options))
    if (typeof known === 'number') pids.add(known)
    if (pids.size === 0) return
    await Promise.all([...pids].map((pid) => endOne(host, pid, name, paths, options)))
  }
}

async function endOne(host: Host, pid: number, name: string, paths: GuestPaths, { signal }: Signalled): Promise<void> {
  const what = `end ${name}`
  await host.signal(pid, 'SIGTERM', { signal })
  try {
    await untilGone(host, pid, paths, { signal: within(signal, graceMs), what })
  } catch (error) {
    if (signal.aborted || !isInfraError(error, 'timeout')) throw error
    await host.signal(pid, 'SIGKILL', { signal })
    await untilGone(host, pid, paths, { signal: within(signal, 10_000), what })
  }
}

/** By their arguments, verified as for any pid. Without pgrep(1) there is only the pid file to go by. */
async function strayProcesses(host: Host, paths: GuestPaths, options: Signalled): Promise<number[]> {
  const pattern = `-pidfile ${paths.pid}`.replaceAll(/[^a-zA-Z0-9/ _-]/g, '[$&]')
  const result = await host.run(['pgrep', '-f', '--', pattern], options).catch((error: unknown) => {
    if (isInfraError(error, 'missing-tool')) return undefined
    throw error
  })
  const candidates = (result?.stdout ?? '')
    .split('\n')
    .filter((line) => line !== '')
    .map(Number)
  const ours = await Promise.all(candidates.map((pid) => isOurs(host, pid, paths, options)))
  return candidates.filter((_pid, index) => ours[index])
}

/** utime and stime of proc_pid_stat(5) in seconds, and resident memory of proc_pid_statm(5) in bytes. */
export async function processUsage(
  host: Host,
  pid: number,
  options: Signalled,
): Promise<{ cpuSeconds: number; residentBytes: number }> {
  const [stat, memory] = await Promise.all([
    host.readFile(`/proc/${pid}/stat`, options),
    host.readFile(`/proc/${pid}/statm`, options),
  ])
  if (stat === undefined || memory === undefined)
    throw new InfraError('not-found', `process ${pid} is gone`, { subject: String(pid) })
  return parseUsage(new TextDecoder().decode(stat), new TextDecoder().decode(memory))
}

/** The name in parentheses may hold anything, so the fields are counted from its end; USER_HZ is 100 everywhere. */
export function parseUsage(stat: string, statm: string): { cpuSeconds: number; residentBytes: number } {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const pages = Number(statm.split(' ')[1])
  return { cpuSeconds: (Number(fields[11]) + Number(fields[12])) / 100, residentBytes: pages * 4096 }
}
