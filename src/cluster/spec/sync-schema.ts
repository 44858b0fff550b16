/** The shape of connection synchronisation: every key with its meaning. */
import type * as z from 'zod'
import { isInNetwork, parseAddress } from '../../lvs/address.ts'
import { familyOf } from '../../lvs/service.ts'
import { duration, flag, integer, leaf, path, text } from './leaf.ts'
import { map } from './map.ts'

const groups = { ipv4: { address: '224.0.0.0', prefix: 4 }, ipv6: { address: 'ff00::', prefix: 8 } }

const group = leaf('a multicast address such as 224.0.0.81 or ff02::81', { type: 'string' }, (value) => {
  const parsed = typeof value === 'string' ? parseAddress(value) : undefined
  return parsed !== undefined && isInNetwork(parsed, groups[familyOf(parsed)]) ? parsed : undefined
})

const shape = map({
  interface: text('the name of a network interface', /^[^\s/]{1,15}$/).describe(
    'Where the directors hear each other; best a link of their own.',
  ),
  id: integer(0, 255)
    .prefault(0)
    .describe('Tells directors of several services on one group apart; who has 0 hears all of them.'),
  group: group.prefault('224.0.0.81').describe('The multicast group, IPv4 or IPv6.'),
  port: integer(1, 65_535).prefault(8848).describe('Its UDP port.'),
  ttl: integer(1, 255).prefault(1).describe('How many routers datagrams may pass; 1: none.'),
  maxlen: integer(1, 65_507)
    .optional()
    .describe('Bytes of a datagram at most; left out, what fits into a packet of 1500 bytes.'),
  'key-file': path('the path of a file')
    .optional()
    .describe(
      'A file with a key that all directors have: what is said is sealed, and nothing else is heard. Between Batons only.',
    ),
  threshold: integer(0, 1_000_000)
    .prefault(3)
    .describe('With its so-manieth packet from the client a connection is told, as sysctl sync_threshold.'),
  period: integer(0, 1_000_000).prefault(50).describe('And again with that of each further so many packets; 0: once.'),
  refresh: duration('a duration such as 30s', { minimumMs: 0, maximumMs: 86_400_000 })
    .prefault('0s')
    .describe('Not again within this time, as sysctl sync_refresh_period; 0s heeds no time.'),
  retries: integer(0, 3).prefault(0).describe('How often it is told again within that time all the same.'),
  'templates-only': flag()
    .prefault(false)
    .describe('Of persistent services only the templates are told, as sysctl sync_persist_mode.'),
})

export type SyncShape = z.output<typeof shape>
export const defaultSync: SyncShape = shape.parse({ interface: 'eth0' })

export const sync = shape
  .optional()
  .describe('Connections are synchronised with other directors, Batons or kernels: they go on when this one fails.')
