/** Whether an address can be listened on: by listening on it for a moment. */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { type Endpoint, familyOf, formatEndpoint, type Protocol } from '../../lvs/service.ts'

/** `isElsewhere`: the machine has no such address. */
export type NotFree = { readonly message: string; readonly hint: string; readonly isElsewhere?: true }

/** undefined when it is free, or cannot be tried. */
export async function whyNotFree(id: Endpoint & { readonly protocol: Protocol }): Promise<NotFree | undefined> {
  try {
    if (id.protocol === 'tcp') await tryTcp(id)
    else if (id.protocol === 'udp') await tryUdp(id)
    return undefined
  } catch (error) {
    return explain(`${id.protocol} ${formatEndpoint(id)}`, (error as NodeJS.ErrnoException).code)
  }
}

async function tryTcp({ address, port }: Endpoint): Promise<void> {
  const server = createServer()
  server.listen({ host: address, port, ipv6Only: true })
  await once(server, 'listening')
  server.close()
  await once(server, 'close')
}

async function tryUdp({ address, port }: Endpoint): Promise<void> {
  const socket = createSocket({ type: familyOf(address) === 'ipv4' ? 'udp4' : 'udp6', ipv6Only: true })
  try {
    socket.bind({ address, port })
    await once(socket, 'listening')
  } finally {
    socket.close()
  }
}

function explain(where: string, code: string | undefined): NotFree {
  switch (code) {
    case 'EADDRINUSE':
      return { message: `${where} is taken: another program listens there`, hint: 'end it, or choose another port' }
    case 'EADDRNOTAVAIL':
      return {
        message: `${where} is not an address of this machine`,
        hint: '`ip address` shows which it has',
        isElsewhere: true,
      }
    case 'EACCES':
      return { message: `${where} needs root: ports below 1024 are reserved`, hint: 'choose a port from 1024 up' }
    default:
      return { message: `${where} cannot be listened on: ${code ?? 'unknown reason'}`, hint: 'choose another address' }
  }
}
