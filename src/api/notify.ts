/** Tells systemd how far a service is (sd_notify(3)), when it is one. */
import { describeError } from '../errors.ts'
import type { Host } from '../hosts/host.ts'

const notifyMs = 10_000

/**
 * `READY=1`, `STOPPING=1` …: said by systemd-notify(1), as a unix datagram is nothing that Node can send. Resolves to why it
 * could not be said; undefined when it was, or when nobody wants to know. Never throws.
 */
export async function notifyManager(
  host: Host,
  environment: Readonly<Record<string, string | undefined>>,
  ...states: readonly string[]
): Promise<string | undefined> {
  if (environment['NOTIFY_SOCKET'] === undefined) return undefined
  try {
    const { code, stderr } = await host.run(['systemd-notify', ...states], { signal: AbortSignal.timeout(notifyMs) })
    return code === 0 ? undefined : `systemd-notify: ${stderr.trim()}`
  } catch (error) {
    return describeError(error)
  }
}
