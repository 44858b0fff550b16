/** Connections to real servers that are kept for the next request: by server, few, and not for long. */
import { Agent } from 'node:http'
import { connect, type Socket } from 'node:net'
import { encodeProxyHeader } from '../proxy-protocol.ts'
import type { ServerRecord } from '../records.ts'
import type { ApplicationSettings } from './calls.ts'
import type { Ends } from './ends.ts'

export type ServerConnections = {
  agent(server: ServerRecord): Agent
  /** Those of a server that may have been closed at the other end. */
  dropIdle(server: ServerRecord): void
  /** Those of servers that are no longer in the table. */
  sweep(): void
  close(): void
}

export function openServerConnections(settings: ApplicationSettings): ServerConnections {
  const agents = new Map<ServerRecord, Agent>()
  const options = { keepAlive: true, maxFreeSockets: settings.serverIdleConnections, timeout: settings.serverIdleMs }
  return {
    agent(server) {
      let agent = agents.get(server)
      if (agent === undefined) {
        agent = new Agent({ ...options, scheduling: 'lifo', noDelay: true })
        agents.set(server, agent)
      }
      return agent
    },
    dropIdle(server) {
      const agent = agents.get(server)
      if (agent !== undefined) dropFree(agent)
    },
    sweep() {
      for (const [server, agent] of agents) {
        if (!server.isRemoved) continue
        // Those in use finish; what they would keep has no room.
        agent.maxFreeSockets = 0
        dropFree(agent)
        agents.delete(server)
      }
    },
    close() {
      for (const agent of agents.values()) agent.destroy()
      agents.clear()
    },
  }
}

/** A connection of its own: a PROXY header speaks for all that follows it. */
export function connectWithHeader({ server }: ServerRecord, version: 'v1' | 'v2', { client, local }: Ends): Socket {
  const socket = connect({ host: server.address, port: server.port, allowHalfOpen: true, noDelay: true })
  socket.write(encodeProxyHeader(version, client, local))
  return socket
}

function dropFree(agent: Agent): void {
  for (const sockets of Object.values(agent.freeSockets)) for (const socket of sockets ?? []) socket.destroy()
}
