/** `baton info`: this machine and what runs its guests, or everything about one guest. */
import type { Command } from 'commander'
import { within } from '../../deadline.ts'
import { isInfraError } from '../../errors.ts'
import type { GuestStatistics, Hypervisor, HypervisorInfo } from '../../guests/hypervisor.ts'
import { runAction } from '../action.ts'
import { askMs } from '../deadline-options.ts'
import { findGuest, type Machine, openMachine } from '../local/machine.ts'
import { guestJson } from '../local/status.ts'
import { show } from '../output.ts'
import { type GuestInfoJson, guestInfoView, type MachineInfoJson, machineInfoView } from '../views/info.ts'

/** The first time, a guest is run to see whether KVM works. */
const probeMs = 60_000

export function register(program: Command): void {
  program
    .command('info')
    .description('this machine and what runs its guests, or everything about one guest')
    .argument('[guest]', 'a name as `baton list` shows it')
    .option('--json', 'print JSON')
    .action((name: string | undefined, options: { readonly json?: true }) =>
      runAction(async ({ signal, output }) => {
        await using machine = await openMachine({ signal: within(signal, askMs) })
        const asJson = options.json === true
        const deadline = within(signal, probeMs)
        if (name === undefined) show(output, asJson, await machineInfo(machine, deadline), machineInfoView)
        else show(output, asJson, await guestInfo(machine, name, deadline), guestInfoView)
        return undefined
      }),
    )
}

async function machineInfo(machine: Machine, signal: AbortSignal): Promise<MachineInfoJson> {
  const facts = await machine.host.facts({ signal })
  const hypervisors = await Promise.all(machine.places.map(({ hypervisor }) => hypervisorInfo(hypervisor, signal)))
  return { host: machine.host.name, facts, directories: machine.host.directories, hypervisors }
}

async function hypervisorInfo(
  hypervisor: Hypervisor,
  signal: AbortSignal,
): Promise<MachineInfoJson['hypervisors'][number]> {
  try {
    return { name: hypervisor.name, info: await hypervisor.info({ signal }), missing: null }
  } catch (error) {
    if (!isInfraError(error, 'missing-tool')) throw error
    return { name: hypervisor.name, info: null, missing: [error.message, error.hint ?? []].flat().join('; ') }
  }
}

async function guestInfo(machine: Machine, name: string, signal: AbortSignal): Promise<GuestInfoJson> {
  const { host, hypervisor, guest } = await findGuest(machine, name, { signal: within(signal, askMs) })
  const { definition } = guest
  const statistics = await statisticsOf(hypervisor, name, signal)
  const info: HypervisorInfo = await hypervisor.info({ signal })
  return { ...guestJson(host, hypervisor.name, guest), definition, statistics, hypervisorInfo: info }
}

/** null while the guest does not run. */
async function statisticsOf(
  hypervisor: Hypervisor,
  name: string,
  signal: AbortSignal,
): Promise<GuestStatistics | null> {
  try {
    return await hypervisor.statistics(name, { signal })
  } catch (error) {
    if (isInfraError(error, 'invalid')) return null
    throw error
  }
}
