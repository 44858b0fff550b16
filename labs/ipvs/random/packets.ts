/** Lines of packets: clients that come, go on and leave, and real servers that answer. */
import { endpointText, type MadeService, type Making } from './making.ts'

/** One to five packets. */
export function packetLines(making: Making): string[] {
  const { random, clients } = making
  const count = 1 + random.below(5)
  return Array.from({ length: count }, () => {
    const what = random.next()
    if (clients.length === 0 || what < 0.55) return newcomer(making)
    if (what < 0.8) return followUp(making)
    if (what < 0.94) return answer(making)
    return what < 0.97 ? error(making) : stray(making)
  })
}

/** Few addresses, so that persistence has something to do, and ports that come again now and then. */
function clientEndpoint({ random }: Making, isIpv6: boolean): string {
  const address = isIpv6
    ? `2001:db8:0:${random.below(2)}::${1 + random.below(4)}`
    : `198.51.${100 + random.below(2)}.${1 + random.below(6)}`
  return endpointText(address, 1001 + random.below(40))
}

function newcomer(making: Making): string {
  const { random, services, clients } = making
  const service = random.pick(services)
  const isAnywhere = service.mark !== 0 && random.chance(0.5)
  const last = 1 + random.below(9)
  const address = isAnywhere ? (service.isIpv6 ? `fd50::${last}` : `10.50.0.${last}`) : service.address
  const to = endpointText(address, service.port === 0 ? random.pick([80, 81, 443, 8080]) : service.port)
  const client = { service, from: clientEndpoint(making, service.isIpv6), to }
  clients.push(client)
  const content = { tcp: 'syn', udp: sipOr(making, service), sctp: 'INIT' }[service.protocol]
  return line(service, client.from, to, content)
}

function sipOr({ random }: Making, { port }: MadeService): string {
  if (port !== 5060 || random.chance(0.2)) return random.chance(0.5) ? '' : '"some words"'
  return `"OPTIONS sip:a@b SIP/2.0\\r\\nCall-ID: ${random.below(4)}@host\\r\\n\\r\\n"`
}

const tcpContents = ['ack', 'ack', 'ack', 'ack "some words"', 'fin,ack', 'fin,ack', 'rst', 'rst,ack', 'syn', 'fin']
const sctpContents =
  'DATA COOKIE_ECHO COOKIE_ACK SHUTDOWN SHUTDOWN_ACK SHUTDOWN_COMPLETE ABORT INIT ERROR COOKIE_ECHO,DATA'.split(' ')

function followUp(making: Making): string {
  const { service, from, to } = making.random.pick(making.clients)
  const content = {
    tcp: making.random.pick(tcpContents),
    udp: sipOr(making, service),
    sctp: making.random.pick(sctpContents),
  }[service.protocol]
  return line(service, from, to, content)
}

const tcpAnswers = ['syn,ack', 'syn,ack', 'ack', 'ack "some words"', 'fin,ack', 'rst,ack']
const sctpAnswers =
  'INIT_ACK INIT_ACK COOKIE_ACK COOKIE_ACK DATA SHUTDOWN SHUTDOWN_ACK SHUTDOWN_COMPLETE ABORT ERROR'.split(' ')

/** By one of the service's real servers, which may not be the client's. */
function answer(making: Making): string {
  const { random } = making
  const { service, from, to } = random.pick(making.clients)
  if (service.servers.length === 0) return followUp(making)
  const { address, port } = random.pick(service.servers)
  const ownPort = Number(/\d+$/.exec(to)?.[0])
  const content = {
    tcp: random.pick(tcpAnswers),
    udp: random.chance(0.5) ? '' : '"an answer"',
    sctp: random.pick(sctpAnswers),
  }[service.protocol]
  return line({ ...service, mark: 0 }, endpointText(address, port === 0 ? ownPort : port), from, content)
}

/** ICMP about what a client sent to a real server, or about what it was answered. */
function error(making: Making): string {
  const { random } = making
  const { service, from, to } = random.pick(making.clients)
  const server = service.servers.length === 0 ? undefined : random.pick(service.servers)
  const host = (endpoint: string): string => endpoint.replace(/:\d+$/, '').replaceAll(/[[\]]/g, '')
  const content = service.protocol === 'tcp' ? ' ack' : service.protocol === 'sctp' ? ' DATA' : ''
  if (server === undefined || random.chance(0.5)) {
    const router = service.isIpv6 ? '2001:db8:9::9' : '203.0.113.9'
    return `icmp ${router} > ${host(to)} about ${service.protocol} ${to} > ${from}${content}`
  }
  const port = server.port === 0 ? Number(/\d+$/.exec(to)?.[0]) : server.port
  const about = `${service.protocol} ${from} > ${endpointText(server.address, port)}${content}`
  return `icmp ${server.address} > ${host(from)} about ${about}`
}

/** To where no service is, or out of nothing. */
function stray(making: Making): string {
  const { random } = making
  const service = random.pick(making.services)
  const to = random.chance(0.5)
    ? endpointText(service.isIpv6 ? 'fd50::9' : '10.50.0.9', 99)
    : endpointText(service.address, service.port === 0 ? 80 : service.port)
  const content = { tcp: random.pick(tcpContents), udp: '', sctp: random.pick(sctpContents) }[service.protocol]
  return line({ ...service, mark: 0 }, clientEndpoint(making, service.isIpv6), to, content)
}

function line(
  { protocol, mark }: Pick<MadeService, 'protocol' | 'mark'>,
  from: string,
  to: string,
  content: string,
): string {
  return `${protocol} ${from} > ${to}${content === '' ? '' : ` ${content}`}${mark === 0 ? '' : ` mark ${mark}`}`
}
