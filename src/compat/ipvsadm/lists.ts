/** The commands of ipvsadm that read: each asks the director and prints. */
import type { ServiceSnapshot } from '../../engines/engine.ts'
import type { Command, ListFormat } from '../../formats/ipvsadm/command.ts'
import { isPrinted, type Namer, noNames } from '../../formats/ipvsadm/text.ts'
import { connectionLine, connectionsTitle } from './connections.ts'
import { codes, type Front } from './front.ts'
import { daemonLine, saveLines, serviceListLines, tableLines, timeoutsLine } from './listing.ts'

type ReadCommand = Extract<
  Command,
  { readonly kind: 'list-all' | 'list-service' | 'list-connections' | 'list-timeouts' | 'list-daemons' | 'save' }
>

/** The exit code. */
export async function runRead(command: ReadCommand, front: Front): Promise<number> {
  const { director, signal } = front
  switch (command.kind) {
    case 'list-all': {
      const { services, info } = await director.table({ signal })
      return print(tableLines(services, info, command.format, await tableNamer(services, command.format, front)), front)
    }
    case 'save': {
      const { services } = await director.table({ signal })
      return print(saveLines(services, await tableNamer(services, command, front)), front)
    }
    case 'list-service':
      return listService(command, front)
    case 'list-connections':
      return listConnections(command.format, front)
    case 'list-timeouts': {
      const { info } = await director.table({ signal, only: [] })
      return print([timeoutsLine(info.settings.timeouts)], front)
    }
    case 'list-daemons': {
      const { info } = await director.table({ signal, only: [] })
      return print(info.daemons.map(daemonLine), front)
    }
  }
}

async function listService(
  { id, format }: Extract<ReadCommand, { readonly kind: 'list-service' }>,
  front: Front,
): Promise<number> {
  const { services } = await front.director.table({ signal: front.signal, only: [id] })
  if (services.length === 0) {
    front.err('No such service\n')
    return codes.noRead
  }
  return print(serviceListLines(services, format, await tableNamer(services, format, front)), front)
}

async function listConnections(format: ListFormat, front: Front): Promise<number> {
  let title = connectionsTitle(format)
  for await (const batch of front.director.connections({ signal: front.signal })) {
    const addresses = batch.flatMap(({ client, service, server }) => [client.address, service.address, server.address])
    const namer = format.numeric ? noNames : await front.names.namer(addresses)
    print([...title, ...batch.map((one) => connectionLine(one, format, namer))], front)
    title = []
  }
  return print(title, front)
}

async function tableNamer(
  services: readonly ServiceSnapshot[],
  { numeric }: { readonly numeric: boolean },
  { names }: Front,
): Promise<Namer> {
  if (numeric) return noNames
  const addresses = services
    .filter(({ service }) => isPrinted(service))
    .flatMap(({ service: { id }, servers }) => [
      ...(id.kind === 'address' ? [id.address] : []),
      ...servers.map(({ server }) => server.address),
    ])
  return names.namer(addresses)
}

function print(lines: readonly string[], { out }: Front): number {
  if (lines.length > 0) out(`${lines.join('\n')}\n`)
  return codes.ok
}
