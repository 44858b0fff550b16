/** What engines have in common that hand connections to other directors, and those that do not. */
import { InfraError } from '../errors.ts'
import type { Engine, EngineName, PortingCapabilities } from './engine.ts'

type Porting = Pick<Engine, 'exportConnections' | 'changedConnections' | 'takeConnections'>

export const socketsStay =
  'its connections are sockets, which cannot move: through a failover new connections only. The ebpf and ipvs engines carry them on'

export const noPorting: PortingCapabilities = { exports: 'none', changes: 'none', imports: 'none', limit: socketsStay }

/** Its connections are sockets. */
export function portsNothing(name: EngineName): Porting {
  return {
    async *exportConnections() {
      yield* []
    },
    changedConnections() {
      throw notPorted(name, 'tell what changes', noPorting)
    },
    async takeConnections() {
      throw notPorted(name, 'take connections over', noPorting)
    },
  }
}

/** Of an engine that does more than another one, with that one's connections. */
export function portsAs(engine: Engine): Porting {
  return {
    exportConnections: (options) => engine.exportConnections(options),
    changedConnections: (options) => engine.changedConnections(options),
    takeConnections: (connections, options) => engine.takeConnections(connections, options),
  }
}

/** For what `capabilities.porting` says `none` of. */
export function notPorted(name: EngineName, what: string, { limit }: PortingCapabilities): InfraError {
  const message = `the ${name} engine cannot ${what}`
  return new InfraError('unsupported', limit === undefined ? message : `${message}: ${limit}`, { subject: name })
}
