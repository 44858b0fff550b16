/** The shape of virtual routers (VRRP): every key with its meaning. */
import * as z from 'zod'
import { commonNames } from '../../formats/iproute/names.ts'
import { readRoute } from '../../formats/iproute/read-route.ts'
import { readRule } from '../../formats/iproute/read-rule.ts'
import { faultOf, type ReadLine } from '../../formats/iproute/reader.ts'
import { formatRoute } from '../../formats/iproute/route.ts'
import { formatRule } from '../../formats/iproute/rule.ts'
import { command } from './check-schema.ts'
import { formatHeldAddress, readHeldAddress } from './held-address.ts'
import { address, choice, duration, flag, integer, leaf, path, reference, text } from './leaf.ts'
import { map } from './map.ts'

const interfaceName = () => text('the name of a network interface', /^[^\s/]{1,15}$/)

/** `needsLink`: there is no router whose interface it would be. */
const heldAddress = (needsLink: boolean) =>
  leaf<string>(
    'an address with its prefix length such as 192.168.1.10/24, and words of ip-address(8) such as dev eth1 if need be',
    { type: 'string' },
    (value) => {
      const held = typeof value === 'string' ? readHeldAddress(value) : undefined
      if (typeof held === 'string')
        return { refused: held, hint: 'dev, label, scope, brd, peer and the like go after it' }
      if (needsLink && held !== undefined && held.interface === undefined)
        return { refused: `${held.address} needs an interface`, hint: 'write dev and its name after it' }
      return held && formatHeldAddress(held)
    },
  )
const virtualAddress = heldAddress(false)

function routing<T>(expected: string, read: (words: readonly string[]) => ReadLine<T>, format: (value: T) => string) {
  return leaf<string>(expected, { type: 'string' }, (value) => {
    if (typeof value !== 'string' || value.trim() === '') return undefined
    const line = read(value.trim().split(/\s+/))
    const fault = faultOf(line)
    if (fault !== undefined) return { refused: fault, hint: 'names of /etc/iproute2 are numbers here' }
    return line.kind === 'read' ? format(line.value) : undefined
  })
}

const route = routing(
  'a route in words of ip-route(8) such as 10.1.0.0/16 via 192.168.1.1 dev eth1',
  (words) => readRoute(words, commonNames),
  formatRoute,
)
const rule = routing(
  'a rule in words of ip-rule(8) such as from 10.1.0.0/16 table 100 preference 500',
  (words) => {
    const read = readRule(words, commonNames, { preference: 0 })
    const lacks = read.kind === 'read' && !words.some((word) => ['preference', 'priority', 'order'].includes(word))
    return lacks ? { kind: 'wrong', said: ['a rule needs its preference'] } : read
  },
  formatRule,
)

/** keepalived's names, such as VI_1, are names here, too. */
const routerName = () =>
  text('a name of letters, digits and ._- that begins with a letter or digit', /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/)

const multicast = () =>
  address('a multicast address').optional().describe('Where advertisements go without peers: 224.0.0.18 or ff02::12.')

/** ldirectord's and keepalived's word for the same is track_script, track_interface. */
const tracked = map({
  interface: interfaceName().optional().describe('An interface: well while it is up and its cable is in.'),
  command: command()
    .optional()
    .describe('A shell line, or a list of a program and its arguments: well while it ends with exit code 0.'),
  service: reference('the name of a service')
    .optional()
    .describe('A service of this file: well while it has a usable server.'),
  file: path('the path of a file')
    .optional()
    .describe(
      'A file with a whole number, which is multiplied by the weight; without a weight any other than 0 is ill.',
    ),
  process: text('the name of a program', /^[^\0\s]+$/)
    .optional()
    .describe('A program: well while as many processes of it run as are to run. Its name, or its whole path.'),
  parameters: z.array(z.string()).optional().describe('Only processes of the program with these words.'),
  match: choice('match', ['exact', 'initial', 'partial'])
    .optional()
    .describe('Whether these are all words, the first ones (initial), or the last may go on, too (partial).'),
  least: integer(1, 65_535).optional().describe('So many processes at least; 1 when left out.'),
  most: integer(0, 65_535).optional().describe('So many at most; any number when left out.'),
  'after-start': duration('a duration such as 1s', { minimumMs: 0, maximumMs: 3_600_000 })
    .optional()
    .describe('How long enough processes must have run until it is well.'),
  'after-end': duration('a duration such as 1s', { minimumMs: 0, maximumMs: 3_600_000 })
    .optional()
    .describe('How long too few, or too many, until it is ill.'),
  reverse: flag()
    .prefault(false)
    .describe('The weight is taken away in place of added; without a weight it is a fault while it is well.'),
  weight: integer(-253, 253)
    .optional()
    .describe(
      'Added to the priority while it is well (positive) or ill (negative); left out, ill is a fault: no master then.',
    ),
  every: duration('a duration such as 2s', { minimumMs: 10, maximumMs: 86_400_000 })
    .optional()
    .describe('How often the command is run; 1s when left out.'),
  timeout: duration('a duration such as 1s', { minimumMs: 10, maximumMs: 86_400_000 })
    .optional()
    .describe('How long the command may take; as long as every when left out.'),
  rise: integer(1, 100).optional().describe('So many successes of the command make it well; 1 when left out.'),
  fall: integer(1, 100).optional().describe('So many failures of the command make it ill; 1 when left out.'),
})

export type TrackedShape = z.output<typeof tracked>

/** Exactly one of these says what is tracked; each other key goes with some of them. */
export const trackedKinds = {
  interface: ['weight', 'reverse'],
  command: ['weight', 'reverse', 'every', 'timeout', 'rise', 'fall'],
  service: ['weight', 'reverse'],
  file: ['weight', 'reverse'],
  process: ['weight', 'reverse', 'parameters', 'match', 'least', 'most', 'after-start', 'after-end'],
}

const way = map({
  interface: interfaceName().describe('The interface on which the routers hear each other, too.'),
  peers: z
    .array(address('the address of a router'))
    .optional()
    .describe('The other routers there; left out, multicast.'),
  source: address('an address of this machine').optional().describe('Where advertisements to the peers come from.'),
  multicast: multicast(),
})

const router = map({
  name: routerName().prefault('vrrp').describe('What it is called in status and log.'),
  interface: interfaceName().describe(
    'The interface that has the addresses, and on which the routers hear each other.',
  ),
  id: integer(1, 255).describe(
    'The virtual router id: the same on all of its routers, and no other one on the link has it.',
  ),
  priority: z
    .union([integer(1, 255), z.record(z.string(), integer(1, 255))])
    .prefault(100)
    .describe(
      'The highest one that lives is master; 255: the addresses are its own. Of several directors each one’s, by its host: { hv1: 150, hv2: 100 }.',
    ),
  every: duration('a duration such as 1s', { minimumMs: 10, maximumMs: 255_000 })
    .prefault('1s')
    .describe('How often the master advertises: 10ms to 40950ms in version 3, whole seconds in version 2.'),
  version: integer(2, 3).prefault(3).describe('Of VRRP: 3, or 2 for old routers; all of one id speak the same.'),
  addresses: z
    .array(virtualAddress)
    .optional()
    .describe('What the master has; left out, the addresses of the services. Over IPv6 the first is link-local.'),
  beside: z
    .array(virtualAddress)
    .optional()
    .describe('More addresses that the master has; they are not advertised, and may be of the other family.'),
  routes: z
    .array(route)
    .optional()
    .describe('Routes that the master has, in words of ip-route(8); no_track after one that nobody is to bring back.'),
  rules: z
    .array(rule)
    .optional()
    .describe('Rules of routing that the master has, in words of ip-rule(8), each with its preference.'),
  missed: integer(1, 100)
    .prefault(3)
    .describe('So many advertisements may fail to come before the master counts as gone.'),
  preempt: flag().prefault(true).describe('Whether it takes over from a living master of lower priority.'),
  'preempt-delay': duration('a duration such as 30s', { minimumMs: 0, maximumMs: 1_000_000 })
    .optional()
    .describe('How long it bears a master of lower priority first; not at all when left out.'),
  peers: z
    .array(address('the address of a router'))
    .optional()
    .describe('The other routers, told one by one; left out, multicast.'),
  source: address('an address of this machine').optional().describe('Where advertisements to the peers come from.'),
  multicast: multicast(),
  also: z
    .array(way)
    .optional()
    .describe('More ways on which the routers hear each other: one cut cable makes no second master.'),
  password: text('at most eight letters without blanks', /^[\x21-\x7e]{1,8}$/)
    .optional()
    .describe('Of version 2: sent in the clear, it keeps mistakes away and nobody else.'),
  checksum: choice('checksum', ['rfc5798', 'rfc9568'])
    .prefault('rfc5798')
    .describe(
      'What checksums of version 3 over IPv4 take in when sending: the addresses, too (keepalived), or not. Both are heard.',
    ),
  'check-addresses': flag()
    .prefault(true)
    .describe('Ignore routers that advertise other addresses, as keepalived does.'),
  'answer-lower': flag()
    .prefault(true)
    .describe('A master tells one of lower priority at once that it should be none (RFC 9568).'),
  'virtual-mac': flag()
    .prefault(false)
    .describe("The addresses stand at an Ethernet address of the virtual router's own, by a macvlan."),
  accept: flag()
    .prefault(true)
    .describe(
      'Whether the master takes packets that are sent to the addresses themselves; false: they are a way only (nftables).',
    ),
  'track-own': flag()
    .prefault(true)
    .describe('At fault while its own interface is down; false: it goes on, as with dont_track_primary of keepalived.'),
  track: z.array(tracked).optional().describe('What else decides whether it is fit to be master.'),
  group: routerName().optional().describe('Routers of one group are master together or not at all.'),
  announce: map({
    times: integer(0, 100).prefault(5).describe('How often, when it becomes master, and once more after the delay.'),
    delay: duration('a duration such as 5s', { minimumMs: 0, maximumMs: 3_600_000 })
      .prefault('5s')
      .describe('See times.'),
    refresh: duration('a duration such as 60s', { minimumMs: 100, maximumMs: 86_400_000 })
      .optional()
      .describe('Again and again while it is master; left out, not.'),
    'refresh-times': integer(0, 100).prefault(1).describe('How often each time.'),
    'conflict-times': integer(0, 100)
      .prefault(5)
      .describe('How often after another master was heard that should be none, and once more after conflict-delay.'),
    'conflict-delay': duration('a duration such as 5s', { minimumMs: 0, maximumMs: 3_600_000 })
      .prefault('5s')
      .describe('See conflict-times.'),
  })
    .prefault({})
    .describe('How often all on the link are told where the addresses are (gratuitous ARP, neighbour advertisements).'),
})

export const standing = map({
  addresses: z.array(heldAddress(true)).optional().describe('Addresses, each with dev and its interface.'),
  routes: z.array(route).optional().describe('Routes, in words of ip-route(8).'),
  rules: z.array(rule).optional().describe('Rules of routing, in words of ip-rule(8), each with its preference.'),
})
  .optional()
  .describe('What stands on every director whoever is master, for as long as it runs.')

export type StandingShape = z.output<typeof standing>

export type RouterShape = z.output<typeof router>
export const defaultRouter: RouterShape = router.parse({ interface: 'eth0', id: 1 })

export const vrrp = z
  .union([router, z.array(router)])
  .optional()
  .describe('Virtual routers (VRRP): addresses that go to another director when this one fails; one, or a list.')
