/** `baton director stop`: ends the daemon, and its traffic too unless that is to be kept. */
import type { Command } from 'commander'
import { removeTraffic, stopDirector } from '../../api/launch.ts'
import { within } from '../../deadline.ts'
import { InfraError } from '../../errors.ts'
import { localHost } from '../../hosts/local/local.ts'
import { runAction } from '../action.ts'
import { show } from '../output.ts'

/** `leftovers`: what a director that had died before had left was taken away. */
export type DirectorStopJson = {
  readonly operation: 'stop'
  readonly processId: number | null
  readonly traffic: 'kept' | 'ended'
  readonly leftovers: boolean
}

type Options = { readonly keep?: true; readonly flush?: true; readonly json?: true }

/** A daemon may need a while to take leave of those that it tells of events. */
const stopMs = 60_000

export function registerStop(director: Command): void {
  const stop = director.command('stop')
  stop
    .description('end the daemon; its traffic ends with it, unless it is to be kept')
    .option('--keep', 'traffic goes on as it is, unattended, until the next director takes it up (ebpf, ipvs)')
    .option(
      '--flush',
      'take away every trace, also what a director that was killed has left; so without an option, too',
    )
    .option('--json', 'print JSON')
    .addHelpText('after', help)
    .action(async (options: Options) => {
      if (options.keep === true && options.flush === true)
        director.error('error: --keep and --flush contradict each other')
      await runAction(async ({ signal, output }) => {
        const stopped = await stopLocal(options.keep === true, within(signal, stopMs))
        show(output, options.json === true, stopped, directorStopView)
        return undefined
      })
    })
}

const help = `
Signals: SIGTERM (systemctl restart, kill) keeps traffic where the engine can, so that an upgrade loses none;
SIGINT (Ctrl-C) takes everything away, as this command does without an option.`

async function stopLocal(keep: boolean, signal: AbortSignal): Promise<DirectorStopJson> {
  const host = localHost()
  const stopped = await stopDirector(host, { signal, keep })
  if (keep && stopped === undefined)
    throw new InfraError('not-found', `no director runs on ${host.name}`, {
      subject: host.name,
      hint: 'what one has left goes on by itself; baton director stop --flush ends it',
    })
  const leftovers = !keep && (await removeTraffic(host, { signal }))
  return { operation: 'stop', processId: stopped?.pid ?? null, traffic: keep ? 'kept' : 'ended', leftovers }
}

export function directorStopView({ processId, traffic, leftovers }: DirectorStopJson): string[] {
  const swept = leftovers ? ['what a director had left in the kernel was taken away'] : []
  if (processId === null) return swept.length > 0 ? swept : ['no director runs, and none has left anything']
  const said = traffic === 'kept' ? 'its traffic goes on; the next director takes it up' : 'nothing of it is left'
  return [`the director (process ${processId}) has ended; ${said}`, ...swept]
}
