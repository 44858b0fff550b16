/** The network that the guest's director stands in: clients beyond a gateway, real servers on its link, local VIPs. */
import { guestMac, marks } from './packets.ts'
import type { GuestStep } from './protocol.ts'

/** All of these and nothing else are the director's own addresses, so that packets to them come to it. */
export const vipNetworks = { ipv4: '10.50.0.0/16', ipv6: 'fd50::/64' } as const

/** Real servers: 10.9.0.N and fd09::N (N in decimal digits) for N from here to there. */
export const realServers = { first: 2, last: 49 } as const

const gateway = { ipv4: '10.1.0.254', ipv6: 'fd01::fe', mac: '02:01:00:00:00:fe' }

const serverPlaces = Array.from({ length: realServers.last - realServers.first + 1 }, (_, at) => realServers.first + at)
const macOf = (family: 4 | 6, place: number): string => `02:09:00:00:0${family}:${place.toString(16).padStart(2, '0')}`

/** Which real server has an Ethernet address. */
export const serverOfMac: ReadonlyMap<string, string> = new Map(
  serverPlaces.flatMap((place) => [
    [macOf(4, place), `10.9.0.${place}`],
    [macOf(6, place), `fd09::${place}`],
  ]),
)

const neighbours = [
  [gateway.ipv4, gateway.mac],
  [gateway.ipv6, gateway.mac],
  ...[...serverOfMac].map(([mac, address]) => [address, mac]),
]

const network = `
link set lo up
link set client address ${guestMac}
link set client addrgenmode none
link set client up
address add 10.1.0.1/24 dev client
address add 10.9.0.1/24 dev client
address add fd01::1/64 dev client nodad
address add fd09::1/64 dev client nodad
${neighbours.map(([address, mac]) => `neighbour add ${address} lladdr ${mac} nud permanent dev client`).join('\n')}
route add default via ${gateway.ipv4}
route add default via ${gateway.ipv6}
route add local ${vipNetworks.ipv4} dev lo
route add local ${vipNetworks.ipv6} dev lo
`.trimStart()

/** Packets with this mark come to the director wherever they go, as at a transparent proxy. */
const interceptedMark = 9

const interception = `
rule add fwmark ${interceptedMark} lookup 100
route add local default dev lo table 100
`.trimStart()

const sysctls: Readonly<Record<string, string>> = {
  'ipv4/ip_forward': '1',
  'ipv6/conf/all/forwarding': '1',
  // Every refusal is to be seen, and nothing but answers.
  'ipv4/icmp_ratelimit': '0',
  'ipv6/icmp/ratelimit': '0',
  'ipv4/conf/all/send_redirects': '0',
  'ipv4/conf/client/send_redirects': '0',
  'ipv4/conf/all/rp_filter': '0',
  'ipv4/conf/client/rp_filter': '0',
}

const markRules = `*mangle
${marks.flatMap((mark, place) => (mark === 0 ? [] : [`-A PREROUTING -m tos --tos ${place << 2} -j MARK --set-mark ${mark}`])).join('\n')}
COMMIT
`

/** Makes a world; the rules that give packets their marks only when asked for, since they take time. */
export function worldSteps(withMarks: boolean): GuestStep[] {
  return [
    { kind: 'world' },
    { kind: 'run', command: ['ip', '-batch', '-'], input: withMarks ? network + interception : network },
    ...Object.entries(sysctls).map(
      ([name, content]): GuestStep => ({ kind: 'write', file: `/proc/sys/net/${name}`, content }),
    ),
    ...(withMarks
      ? ['iptables-restore', 'ip6tables-restore'].map(
          (command): GuestStep => ({ kind: 'run', command: [command], input: markRules }),
        )
      : []),
  ]
}
