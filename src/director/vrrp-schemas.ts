/** Virtual routers as they cross the control socket and are kept on disk. */
import * as z from 'zod'
import { addressFlagWords } from '../formats/iproute/address.ts'
import type { RouterSpec, TrackSpec, VrrpSpec } from '../vrrp/spec.ts'
import { address } from './service-schemas.ts'

const text = z.string().min(1)
const milliseconds = z.number().min(0)
const weight = z.int().min(-253).max(253).exactOptional()

const path = z.strictObject({
  interface: text,
  to: z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('multicast'), group: address }),
    z.strictObject({ kind: z.literal('unicast'), peers: z.array(address).min(1), source: address.exactOptional() }),
  ]),
})

const config: z.ZodType<RouterSpec['config']> = z.strictObject({
  name: text,
  id: z.int().min(1).max(255),
  version: z.union([z.literal(2), z.literal(3)]),
  family: z.enum(['ipv4', 'ipv6']),
  priority: z.int().min(1).max(255),
  intervalMs: z.int().min(10),
  addresses: z.array(address).min(1).max(255),
  preempts: z.boolean(),
  preemptDelayMs: milliseconds,
  downAdverts: z.int().min(1).max(100),
  answersLower: z.boolean(),
  announcing: z.strictObject({
    times: z.int().min(0).max(100),
    delayMs: milliseconds,
    conflictTimes: z.int().min(0).max(100),
    conflictDelayMs: milliseconds,
    refreshMs: z.number().min(100).exactOptional(),
    refreshTimes: z.int().min(0).max(100),
  }),
  password: z.string().max(8).exactOptional(),
  checksum: z.enum(['rfc5798', 'rfc9568']),
  checksAddresses: z.boolean(),
  paths: z.tuple([path], path),
  isGrouped: z.boolean(),
})

const heavy = { weight, isReversed: z.literal(true).exactOptional() }

const track: z.ZodType<TrackSpec> = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('interface'), interface: text, ...heavy }),
  z.strictObject({ kind: z.literal('service'), service: text, ...heavy }),
  z.strictObject({ kind: z.literal('file'), path: text, ...heavy }),
  z.strictObject({
    kind: z.literal('process'),
    program: text,
    parameters: z
      .strictObject({ words: z.array(z.string()), match: z.enum(['exact', 'initial', 'partial']) })
      .exactOptional(),
    isFullCommand: z.literal(true).exactOptional(),
    least: z.int().min(1),
    most: z.int().min(0).exactOptional(),
    forkDelayMs: z.number().min(0),
    terminateDelayMs: z.number().min(0),
    ...heavy,
  }),
  z.strictObject({
    kind: z.literal('command'),
    argv: z.array(z.string()).min(1),
    everyMs: z.number().min(10),
    timeoutMs: z.number().min(10),
    rise: z.int().min(1),
    fall: z.int().min(1),
    ...heavy,
  }),
])

const held: z.ZodType<RouterSpec['holds'][number]> = z.strictObject({
  address,
  prefix: z.int().min(0).max(128),
  interface: text,
  label: text.max(15).exactOptional(),
  scope: z.int().min(0).max(255).exactOptional(),
  broadcast: address.exactOptional(),
  peer: z.strictObject({ address, prefix: z.int().min(0).max(128) }).exactOptional(),
  flags: z.array(z.enum(addressFlagWords)).exactOptional(),
  preferredSeconds: z.int().min(0).exactOptional(),
  isUntracked: z.literal(true).exactOptional(),
})

const ways = { routes: z.array(text).exactOptional(), rules: z.array(text).exactOptional() }

const router = z.strictObject({
  config,
  holds: z.array(held),
  ...ways,
  hasVirtualMac: z.boolean(),
  // Kept by a version that had no such thing, it is not there.
  accepts: z.boolean().default(true),
  tracked: z.array(track),
  ignoresOwnInterface: z.literal(true).exactOptional(),
})

export const vrrpSchema: z.ZodType<VrrpSpec> = z.strictObject({
  groups: z.array(z.strictObject({ name: text, members: z.array(router).min(1) })),
  standing: z.strictObject({ holds: z.array(held), ...ways }).exactOptional(),
})
