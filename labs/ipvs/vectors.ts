/**
 * Decisions of Linux 6.1, written down once by hand: they show that the guest is what it is taken for. Real servers are
 * added in order; a pick is the last part of the chosen one's address, 0 when the client was refused.
 */
import { parseScript, type Script } from './script.ts'

export type Vector = { readonly script: Script; readonly picks: readonly number[] }

const repeated = (count: number, pick: number): number[] => Array.from({ length: count }, () => pick)

/** Fresh TCP connections of one client that stay half open; `lines` stand before the pick of that number. */
function connections(
  name: string,
  scheduler: string,
  weights: Readonly<Record<number, number>>,
  picks: readonly number[],
  lines: Readonly<Record<number, string>> = {},
): Vector {
  const clients = picks.map((_, at) => `198.51.100.1:${1000 + at}`)
  return vector(name, scheduler, weights, clients, picks, lines)
}

/** One connection each of clients at these addresses and ports. */
function vector(
  name: string,
  scheduler: string,
  weights: Readonly<Record<number, number>>,
  clients: readonly string[],
  picks: readonly number[],
  lines: Readonly<Record<number, string>> = {},
): Vector {
  const isIpv6 = clients[0]?.startsWith('[') === true
  const vip = isIpv6 ? '[fd50::1]:80' : '10.50.0.1:80'
  const server = (place: string): string => (isIpv6 ? `[fd09::${place}]:80` : `10.9.0.${place}:80`)
  const text = [
    `ipvsadm -A -t ${vip} -s ${scheduler}`,
    ...Object.entries(weights).map(([place, weight]) => `ipvsadm -a -t ${vip} -r ${server(place)} -m -w ${weight}`),
    ...clients.flatMap((client, at) => [lines[at] ?? '', `tcp ${client} > ${vip} syn`]),
  ]
  return { script: parseScript(`${name}, ${scheduler}`, text.join('\n')), picks }
}

const edit = (place: number, weight: number, command = '-e'): string =>
  `ipvsadm ${command} -t 10.50.0.1:80 -r 10.9.0.${place}:80 -m -w ${weight}`

export const vectors: readonly Vector[] = [
  connections(
    'a server without weight, then one more',
    'rr',
    { 2: 1, 3: 1, 4: 1 },
    [4, 3, 2, 4, 3, 2, 4, 2, 4, 2, 4, 2, 5, 4, 2, 5, 4],
    { 7: edit(3, 0), 12: edit(5, 1, '-a') },
  ),
  connections('5, 1, 1', 'wrr', { 2: 5, 3: 1, 4: 1 }, [4, 3, 2, 2, 2, 2, 2, 4, 3, 2, 2, 2, 2, 2, 4, 3]),
  connections('4, 3, 2', 'wrr', { 2: 4, 3: 3, 4: 2 }, [4, 3, 2, 2, 3, 2, 4, 3, 2, 4, 3, 2, 2, 3, 2]),
  connections('1, 2, 3', 'wrr', { 2: 1, 3: 2, 4: 3 }, [4, 3, 2, 4, 4, 3, 4, 3, 2, 4, 4, 3]),
  connections(
    'a weight changed on the way',
    'wrr',
    { 2: 10, 3: 20 },
    [3, 2, 3, 3, 2, 3, 3, 2, 3, 3, 2, 3, 3, 2, 3, 3, 2, 3, 3, 2, 3, 3, 2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 2, 3, 2],
    { 24: edit(2, 3) },
  ),
  connections('5, 1, 3', 'lc', { 2: 5, 3: 1, 4: 3 }, [4, 3, 2, 4, 3, 2]),
  connections('5, 1, 3', 'wlc', { 2: 5, 3: 1, 4: 3 }, [4, 3, 2, 2, 4, 2, 2, 4, 2, 4, 3, 2, 2, 4, 2, 2]),
  connections('5, 1, 3', 'sed', { 2: 5, 3: 1, 4: 3 }, [2, 4, 2, 2, 4, 2, 4, 3, 2, 2, 4, 2, 2, 4, 2, 4]),
  connections('5, 1, 3', 'nq', { 2: 5, 3: 1, 4: 3 }, [4, 3, 2, 2, 2, 4, 2, 4, 2, 2, 4, 2, 2, 4, 2, 4]),
  connections('5, 1, 3', 'fo', { 2: 5, 3: 1, 4: 3 }, repeated(4, 2)),
  connections('1, 1, 1', 'ovf', { 2: 1, 3: 1, 4: 1 }, [4, 4, 3, 3, 2, 2, 0]),
  connections('5, 1, 3', 'ovf', { 2: 5, 3: 1, 4: 3 }, [...repeated(6, 2), ...repeated(4, 4), ...repeated(2, 3), 0]),
  vector(
    'by address',
    'sh',
    { 2: 1, 3: 1, 4: 1 },
    ['198.33.113.57:1000', '112.192.255.6:1000', '121.119.187.84:1000', '21.186.152.90:1000'],
    [3, 3, 2, 4],
  ),
  vector(
    'by address and port',
    'sh -b sh-port',
    { 2: 1, 3: 1, 4: 1 },
    ['23.204.47.155:4411', '161.50.61.158:10362', '184.2.187.114:53876', '121.143.98.209:6858'],
    [3, 3, 2, 4],
  ),
  vector(
    'by IPv6 address',
    'sh',
    { 2: 1, 3: 1, 5: 1 },
    ['d4a1:ac0:441e:aaee:b4b4:8efa', 'b1f:abd:80e9:98a3:5aba:5ea0', 'bd87:99c1:350d:439e:7189:7aa7'].map(
      (rest) => `[2001:db8:${rest}]:1000`,
    ),
    [2, 3, 5],
  ),
  vector(
    'by address',
    'mh',
    { 2: 1, 3: 1, 4: 1 },
    ['50.108.192.132:1000', '167.72.66.57:1000', '123.151.10.177:1000', '37.53.65.19:1000'],
    [4, 4, 4, 2],
  ),
  vector(
    'by address and port',
    'mh -b mh-port',
    { 2: 1, 3: 1, 4: 1 },
    ['93.70.147.104:8835', '85.254.187.52:50493', '71.157.124.248:64639', '113.65.115.115:29339'],
    [4, 3, 2, 3],
  ),
  vector(
    'by IPv6 address',
    'mh',
    { 2: 1, 3: 1, 5: 1 },
    ['1b45:15f5:8a7e:b5aa:cee5:23b4', 'fe39:4d8a:3339:395e:60d5:c841'].map((rest) => `[2001:db8:${rest}]:1000`),
    [2, 5],
  ),
]
