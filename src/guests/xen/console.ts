/** The console of a guest on Xen: xenconsoled's log of it, and the terminal that xenconsoled keeps for it in Dom0. */
import { InfraError } from '../../errors.ts'
import type { Host } from '../../hosts/host.ts'
import type { CallOptions } from '../hypervisor.ts'
import type { SerialLine } from '../serial-line.ts'
import type { Known } from './observe.ts'

const logHint =
  'let xenconsoled log guests: XENCONSOLED_ARGS="--log=guest" in /etc/default/xen, mkdir -p /var/log/xen/console, start xenconsoled again; xl console works without'

/** @throws InfraError `unsupported` where xenconsoled does not log: only one reader could have the console then. */
export async function serialLine(
  host: Host,
  { definition, domain, paths }: Known,
  options: CallOptions,
): Promise<SerialLine> {
  await mustBeLogged(host, definition.name, paths.consoleLog, options)
  const key = `/local/domain/${domain?.id}/console/tty`
  const { code, stdout, stderr } = await host.run(['xenstore-read', key], options)
  const terminal = stdout.trim()
  if (code !== 0 || terminal === '')
    throw new InfraError('unreachable', `find the console of ${definition.name}: ${stderr.trim()}`, {
      subject: definition.name,
      hint: 'xenconsoled gives it a terminal a moment after its start: try again',
      retryable: true,
    })
  return { log: paths.consoleLog, input: terminal, alive: terminal }
}

/** @throws InfraError `unsupported` where xenconsoled does not log. A guest that was never started has no log yet. */
export async function mustBeLogged(host: Host, name: string, log: string, options: CallOptions): Promise<void> {
  if ((await host.list(log.slice(0, log.lastIndexOf('/')), options)) !== undefined) return
  throw new InfraError('unsupported', `the console of ${name} is not logged on this host`, {
    subject: name,
    hint: logHint,
  })
}
