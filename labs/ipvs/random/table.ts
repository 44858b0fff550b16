/** Lines that change the table: services and real servers come, change and go. */
import type { Random } from './chance.ts'
import { endpointText, type MadeServer, type MadeService, type Making } from './making.ts'

const schedulers = 'rr wrr lc wlc lblc lblcr dh sh sed nq fo ovf mh none'.split(' ')

/** Where a service can be; marks are those that packets can have (packets.ts). */
export function serviceLines(making: Making): string[] {
  const { random, services } = making
  const service = drawnService(random)
  const isKnown = services.some(({ words }) => words === service.words)
  if (!isKnown) services.push(service)
  const lines = [`ipvsadm -A ${service.words} ${optionsOf(random, service)}`.trimEnd()]
  for (let count = isKnown ? 0 : random.below(5); count > 0; count--) lines.push(serverLine(making, service))
  return lines
}

function drawnService(random: Random): MadeService {
  const isIpv6 = random.chance(0.25)
  const last = 1 + random.below(3)
  const address = isIpv6 ? `fd50::${last}` : `10.50.0.${last}`
  const none = { address, mark: 0, isIpv6, servers: [], methods: new Map<string, string>() }
  if (random.chance(0.15)) {
    const mark = random.pick([1, 2, 7, 100, 65_536])
    const words = `-f ${mark}${isIpv6 ? ' -6' : ''}`
    return { ...none, words, protocol: random.chance(0.7) ? 'tcp' : 'udp', port: 0, mark }
  }
  const protocol = random.pick(['tcp', 'tcp', 'tcp', 'udp', 'udp', 'sctp'] as const)
  const port = random.pick([80, 81, 443, 5060, 0])
  const option = { tcp: '-t', udp: '-u', sctp: '--sctp-service' }[protocol]
  return { ...none, words: `${option} ${endpointText(address, port)}`, protocol, port }
}

function optionsOf(random: Random, { protocol, isIpv6, port, mark }: MadeService): string {
  const scheduler = random.pick(schedulers)
  const words = random.chance(0.9) ? [`-s ${scheduler}`] : []
  if (words.length > 0 && (scheduler === 'sh' || scheduler === 'mh')) {
    const flags = ['fallback', 'port'].filter(() => random.chance(0.5)).map((flag) => `${scheduler}-${flag}`)
    if (flags.length > 0) words.push(`-b ${flags.join(',')}`)
  }
  const needsPersistence = port === 0 && mark === 0
  if (random.chance(needsPersistence ? 0.95 : 0.3)) {
    words.push(random.pick(['-p', '-p 9', '-p 15', '-p 100', '-p 300']))
    if (random.chance(0.4)) words.push(`-M ${random.pick(isIpv6 ? ['64', '112', '128'] : masks)}`)
    if (protocol === 'udp' && random.chance(0.3)) words.push('--pe sip')
  }
  if (protocol === 'udp' && random.chance(0.2)) words.push('-o')
  return words.join(' ')
}

const masks = ['255.255.255.0', '255.255.255.252', '0.0.0.0', '255.255.255.255']

export function serverLine(making: Making, to = making.random.pick(making.services)): string {
  const { random } = making
  const [address, port] = drawnServer(random, to)
  const method = to.methods.get(address) ?? drawnMethod(random, to)
  to.methods.set(address, method)
  const server: MadeServer = { address, port: method === '-m' || to.mark !== 0 ? port : to.port, method }
  if (!to.servers.some((known) => known.address === address && known.port === server.port)) to.servers.push(server)
  return `ipvsadm -a ${to.words} -r ${endpointText(address, port)} ${method} ${settingsOf(random)}`.trimEnd()
}

function drawnServer(random: Random, { isIpv6, port }: MadeService): [address: string, port: number] {
  const last = 2 + random.below(6)
  return [isIpv6 ? `fd09::${last}` : `10.9.0.${last}`, random.chance(0.8) ? port : random.pick([80, 8080, 5060])]
}

function drawnMethod(random: Random, { protocol }: MadeService): string {
  const others = ['-g', '-i', '-i --tun-type gre', '-i --tun-type gue --tun-port 6080']
  return protocol === 'udp' || random.chance(0.6) ? '-m' : random.pick(others)
}

function settingsOf(random: Random): string {
  const words = random.chance(0.7) ? [`-w ${random.pick([0, 1, 1, 2, 3, 5, 10, 100])}`] : []
  if (random.chance(0.2)) words.push(`-x ${random.pick([1, 2, 3, 5, 8])}`)
  if (random.chance(0.1)) words.push(`-y ${random.pick([1, 2])}`)
  return words.join(' ')
}

/** A real server that is there, edited. */
export function serverEditLine({ random, services }: Making): string {
  const service = random.pick(services)
  if (service.servers.length === 0) return `ipvsadm -e ${service.words} -r ${service.isIpv6 ? 'fd09::2' : '10.9.0.2'}`
  const { address, port, method } = random.pick(service.servers)
  return `ipvsadm -e ${service.words} -r ${endpointText(address, port)} ${method} ${settingsOf(random)}`.trimEnd()
}

export function serviceEditLine({ random, services }: Making): string {
  const service = random.pick(services)
  return `ipvsadm -E ${service.words} ${optionsOf(random, service)}`.trimEnd()
}

export function deletionLine({ random, services }: Making): string {
  if (random.chance(0.03)) return 'ipvsadm -C'
  const service = random.pick(services)
  if (service.servers.length === 0 || random.chance(0.15)) return `ipvsadm -D ${service.words}`
  const { address, port } = random.pick(service.servers)
  return `ipvsadm -d ${service.words} -r ${endpointText(address, port)}`
}
