/** `baton trace`: where a client's packet would go, and why. */
import { type Command, InvalidArgumentError, Option } from 'commander'
import { within } from '../../deadline.ts'
import type { TraceQuestion } from '../../engines/engine.ts'
import { InfraError } from '../../errors.ts'
import { parseAddress, parseEndpoint } from '../../lvs/address.ts'
import { type Endpoint, familyOf } from '../../lvs/service.ts'
import { runAction } from '../action.ts'
import { askMs } from '../deadline-options.ts'
import { openMachine } from '../local/machine.ts'
import { show } from '../output.ts'
import { traceView } from '../views/trace.ts'

type Options = { readonly from?: string; readonly json?: true }

export function register(program: Command): void {
  program
    .command('trace')
    .description(
      'where a packet would go, and why: the program is run on it, nothing is sent, and nothing changes (ebpf)',
    )
    .addArgument(program.createArgument('<protocol>', 'tcp or udp').choices(['tcp', 'udp']))
    .argument('<client>', 'ADDRESS or ADDRESS:PORT; without a port, a connection that does not stand yet', client)
    .argument('<service>', 'ADDRESS:PORT', service)
    .addOption(new Option('--from <interface>', 'where it comes in; left out, where the way to the client leads'))
    .option('--json', 'print JSON')
    .action((protocol: TraceQuestion['protocol'], from: Endpoint, to: Endpoint, { from: name, json }: Options) =>
      runAction(async ({ signal, output }) => {
        if (familyOf(from.address) !== familyOf(to.address))
          throw new InfraError('invalid', `${from.address} and ${to.address} are of two families`, {
            subject: to.address,
          })
        await using machine = await openMachine({ signal: within(signal, askMs) })
        const question = { protocol, client: from, service: to, ...(name === undefined ? {} : { interface: name }) }
        const answer = await machine.director.trace(question, { signal: within(signal, askMs) })
        show(output, json === true, answer, traceView)
        return undefined
      }),
    )
}

function client(text: string): Endpoint {
  const address = parseAddress(text.replace(/^\[(.*)\]$/, '$1'))
  return address === undefined ? service(text) : { address, port: 0 }
}

function service(text: string): Endpoint {
  const endpoint = parseEndpoint(text)
  if (endpoint === undefined) throw new InvalidArgumentError('10.0.0.1:80 and [fd00::1]:80 are such.')
  return endpoint
}
