/** A service and its real servers as the lines of `ipvsadm -S`, which `ipvsadm -R` reads. */
import type { Protocol, RealServer, Service, ServiceId } from '../../lvs/service.ts'
import { type Namer, printedMask, readableEndpoint, serviceProtocol } from './text.ts'

export type RuleStyle = {
  readonly namer: Namer
  /** What `-b` lists; undefined for services without flags. */
  readonly flags: (service: Service) => string | undefined
}

const protocolOption: Readonly<Record<Protocol, string>> = { tcp: '-t', udp: '-u', sctp: '--sctp-service' }

/** `servers` are printed in their order. */
export function ruleLines(service: Service, servers: readonly RealServer[], style: RuleStyle): string[] {
  const name = serviceOption(service.id, style.namer)
  if (name === undefined) return []
  return [
    serviceRule(service, name, style),
    ...servers.map((server) => serverRule(service.id, name, server, style.namer)),
  ]
}

function serviceOption(id: ServiceId, namer: Namer): string | undefined {
  switch (id.kind) {
    case 'address':
      return `${protocolOption[id.protocol]} ${readableEndpoint(id, id.protocol, namer)}`
    case 'fwmark':
      return `-f ${id.mark}${id.family === 'ipv6' ? ' -6' : ''}`
    case 'dns':
    case 'pool':
      return undefined
  }
}

function serviceRule(service: Service, name: string, { flags }: RuleStyle): string {
  const { persistence, scheduler, onePacket } = service
  const engine = persistence === undefined ? service.idlePersistenceEngine : persistence.engine
  return [
    `-A ${name} -s ${scheduler}`,
    option('-p', persistence?.timeoutSeconds),
    option('-M', printedMask(service)),
    option('--pe', engine),
    onePacket ? ' -o' : '',
    option('-b', flags(service)),
  ].join('')
}

function option(name: string, value: string | number | undefined): string {
  return value === undefined ? '' : ` ${name} ${value}`
}

const forwardingOption = { masq: '-m', tunnel: '-i', direct: '-g', local: '-g' } as const

function serverRule(id: ServiceId, name: string, server: RealServer, namer: Namer): string {
  const { forwarding, weight, upperThreshold: upper, lowerThreshold: lower } = server
  const where = readableEndpoint(server, serviceProtocol(id), namer)
  return [
    `-a ${name} -r ${where} ${forwardingOption[forwarding]} -w ${weight}`,
    option('-x', upper === 0 ? undefined : upper),
    option('-y', lower === 0 ? undefined : lower),
    forwarding === 'tunnel' ? tunnelOptions(server) : '',
  ].join('')
}

function tunnelOptions({ tunnel = { type: 'ipip' } }: RealServer): string {
  const type = ` --tun-type ${tunnel.type}`
  if (tunnel.type === 'ipip') return type
  return `${type}${tunnel.type === 'gue' ? ` --tun-port ${tunnel.port}` : ''} --tun-${tunnel.checksum}`
}
