/** The QEMU process of a guest: is it ours, what does it say, how does it end. */
import { setTimeout as sleep } from 'node:timers/promises'
import { InfraError, isInfraError } from '../../errors.ts'
import type { Host } from '../../hosts/host.ts'
import type { GuestPaths } from './paths.ts'

type Signalled = { readonly signal: AbortSignal }

/**
 * The pid of the running guest. `crashed`: a pid file is left over from a process that did not end in order, also when
 * its number belongs to another program now. undefined: it does not run.
 */
export async function findProcess(
  host: Host,
  paths: GuestPaths,
  options: Signalled,
): Promise<number | 'crashed' | undefined> {
  const content = await host.readFile(paths.pid, options)
  if (content === undefined) return undefined
  const pid = Number.parseInt(new TextDecoder().decode(content), 10)
  if (!Number.isInteger(pid) || pid <= 0) return 'crashed'
  // argv names the pid file, which no other program's does.
  const commandLine = await host.readFile(`/proc/${pid}/cmdline`, options)
  const isOurs = commandLine !== undefined && new TextDecoder().decode(commandLine).split('\0').includes(paths.pid)
  if (isOurs) return pid
  return (await host.readFile(paths.pid, options)) === undefined ? undefined : 'crashed'
}

/** Waits until the process is gone. The signal's deadline is the caller's. */
export async function untilGone(
  host: Host,
  pid: number,
  paths: GuestPaths,
  name: string,
  options: Signalled,
): Promise<void> {
  for (let waitMs = 5; ; waitMs = Math.min(waitMs * 2, 100)) {
    const standing = await findProcess(host, paths, { signal: AbortSignal.timeout(10_000) })
    if (standing !== pid) return
    try {
      await sleep(waitMs, undefined, options)
    } catch {
      const timedOut = options.signal.reason instanceof Error && options.signal.reason.name === 'TimeoutError'
      throw new InfraError(
        timedOut ? 'timeout' : 'cancelled',
        `${name} did not power off ${timedOut ? 'in time' : 'yet'}`,
        {
          subject: name,
          retryable: true,
          hint: `the guest may ignore its power button: baton destroy ${name} ends it at once`,
        },
      )
    }
  }
}

/** Ends the process at once and waits until it is gone. */
export async function killProcess(
  host: Host,
  pid: number,
  paths: GuestPaths,
  name: string,
  options: Signalled,
): Promise<void> {
  await host.signal(pid, 'SIGKILL', options)
  await untilGone(host, pid, paths, name, { signal: AbortSignal.any([options.signal, AbortSignal.timeout(10_000)]) })
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
  ]).catch((error: unknown) => {
    if (isInfraError(error)) return [undefined, undefined]
    throw error
  })
  if (stat === undefined || memory === undefined)
    throw new InfraError('not-found', `process ${pid} is gone`, { subject: String(pid) })
  const text = new TextDecoder().decode(stat)
  // The name in parentheses may hold anything, so the fields are counted from its end; USER_HZ is 100 everywhere.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const pages = Number(new TextDecoder().decode(memory).split(' ')[1])
  return { cpuSeconds: (Number(fields[11]) + Number(fields[12])) / 100, residentBytes: pages * 4096 }
}
