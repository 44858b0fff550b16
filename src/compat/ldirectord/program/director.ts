/** The director that an ldirectord's services live in: started when none runs, ended when nothing is left in it. */
import { directorClient } from '../../../api/client.ts'
import { directorFiles } from '../../../api/files.ts'
import { type Launch, launchDirector, stopDirector } from '../../../api/launch.ts'
import { within } from '../../../deadline.ts'
import type { DirectorControl, DirectorStatus } from '../../../director/control.ts'
import { isInfraError } from '../../../errors.ts'
import type { Host } from '../../../hosts/host.ts'

const launchMs = 30_000
const askMs = 15_000

export type OwnDirector = {
  readonly control: DirectorControl
  /** Makes sure that one runs. @throws InfraError */
  ensure(signal: AbortSignal): Promise<DirectorStatus>
  /** Ends it when an ldirectord has started it and nobody wants anything of it any more. */
  endIfIdle(): Promise<void>
}

export function ownDirector(host: Host, launch: Launch, cluster: string): OwnDirector {
  const control = directorClient(host)
  const files = directorFiles(host)
  return {
    control,
    async ensure(signal) {
      const limit = within(signal, launchMs)
      const isThere = await runs(control, limit)
      await launchDirector(host, launch, { signal: limit }, cluster)
      if (!isThere) {
        const pid = await host.readFile(files.pid, { signal: limit })
        if (pid !== undefined) await host.writeFile(files.startedForAnother, pid, { signal: limit, mode: 0o600 })
      }
      return await control.status({ signal: limit })
    },
    async endIfIdle() {
      const signal = AbortSignal.timeout(askMs)
      const [ours, running] = await Promise.all([
        host.readFile(files.startedForAnother, { signal }),
        host.readFile(files.pid, { signal }),
      ])
      if (ours === undefined || running === undefined || text(ours) !== text(running)) return
      const { clusters, services } = await control.status({ signal })
      if (clusters.length > 0 || services.length > 0) return
      await stopDirector(host, { signal })
    },
  }
}

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes).trim()

async function runs(control: DirectorControl, signal: AbortSignal): Promise<boolean> {
  try {
    await control.status({ signal })
    return true
  } catch (error) {
    if (isInfraError(error, 'not-found') || isInfraError(error, 'unreachable')) return false
    throw error
  }
}
