/** `baton drain` and `baton undrain`: which servers are meant, and what is said afterwards. */
import type { Command } from 'commander'
import { within } from '../../deadline.ts'
import type { DrainTarget } from '../../director/states.ts'
import { InfraError } from '../../errors.ts'
import { isGuestName } from '../../guests/lifecycle.ts'
import { parseAddress, parseEndpoint } from '../../lvs/address.ts'
import { runAction } from '../action.ts'
import { askMs } from '../deadline-options.ts'
import { show } from '../output.ts'
import { count } from '../views/units.ts'
import { openMachine } from './machine.ts'

export type DrainJson = { readonly operation: 'drain' | 'undrain'; readonly server: string; readonly servers: number }

export function registerDrain(program: Command, operation: DrainJson['operation'], description: string): void {
  program
    .command(operation)
    .description(description)
    .argument('<server>', "a guest's name, or ADDRESS or ADDRESS:PORT of a server")
    .option('--json', 'print JSON')
    .action((server: string, options: { readonly json?: true }) =>
      runAction(async ({ signal, output }) => {
        const target = parseDrainTarget(server)
        await using machine = await openMachine({ signal: within(signal, askMs) })
        const servers = await machine.director[operation](target, { signal: within(signal, askMs) })
        show(output, options.json === true, { operation, server, servers }, drainView)
        return undefined
      }),
    )
}

/** An address without a port means it on every port. @throws InfraError `invalid`. */
export function parseDrainTarget(text: string): DrainTarget {
  const endpoint = parseEndpoint(text)
  if (endpoint !== undefined) return { endpoint }
  const address = parseAddress(text.replace(/^\[(.*)\]$/, '$1'))
  if (address !== undefined) return { endpoint: { address, port: 0 } }
  if (isGuestName(text)) return { guest: text }
  throw new InfraError('invalid', `${text} is neither a guest's name nor an address`, {
    subject: text,
    hint: '`baton status` shows the servers; 10.0.0.1, 10.0.0.1:80 and [fd00::1]:80 are addresses',
  })
}

export function drainView({ operation, server, servers }: DrainJson): string[] {
  if (operation === 'undrain') return [`${server}: not drained any more (${count(servers, 'server')} now)`]
  if (servers === 0) return [`${server}: no such server now; it will be drained as soon as there is one`]
  return [`${server}: drained (${count(servers, 'server')}); established connections finish`]
}
