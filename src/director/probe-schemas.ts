/** The probes of checks as they cross the control socket and are kept on disk. */
import * as z from 'zod'
import { dnsQuestionTypes, type ProbeSpec } from '../health/check.ts'
import { isAvailableProbe } from '../health/checks/registry.ts'

const text = z.string()
const some = text.min(1)
const texts = z.record(text, text)
const status = z.array(z.union([z.int(), z.tuple([z.int(), z.int()])]))
const tls = z.strictObject({ verify: z.boolean(), sni: text.exactOptional() })
const login = z.strictObject({ user: text, password: text })
const securable = { tls: tls.exactOptional(), starttls: tls.exactOptional() }

const request = {
  method: z.enum(['HEAD', 'GET', 'POST']).exactOptional(),
  headers: texts.exactOptional(),
  send: text.exactOptional(),
  status,
  body: text.exactOptional(),
  bodyMatch: z
    .strictObject({
      flags: text.regex(/^[imsu]*$/).exactOptional(),
      isAbsent: z.literal(true).exactOptional(),
      from: z.int().min(0).exactOptional(),
      until: z.int().min(0).exactOptional(),
    })
    .exactOptional(),
  md5: text.regex(/^[0-9a-f]{32}$/).exactOptional(),
  redirects: z.int().min(0).exactOptional(),
  tls: tls.exactOptional(),
}

const hex = text.regex(/^([0-9A-Fa-f]{2})*$/)

const plain = [
  z.strictObject({ kind: z.literal('tcp') }),
  z.strictObject({
    kind: z.literal('udp'),
    sendHex: hex.exactOptional(),
    expect: z.union([z.strictObject({ pattern: text }), z.strictObject({ hex: text })]).exactOptional(),
    minimumBytes: z.int().min(0).exactOptional(),
    maximumBytes: z.int().min(0).exactOptional(),
  }),
  z.strictObject({
    kind: z.literal('ping'),
    bytes: z.int().min(0).max(65_507).exactOptional(),
    attempts: z.int().min(1).exactOptional(),
  }),
  z.strictObject({ kind: z.literal('http'), path: text, host: text.exactOptional(), ...request }),
  z.strictObject({ kind: z.literal('http-proxy'), url: z.url({ protocol: /^https?$/ }), ...request }),
  z.strictObject({
    kind: z.literal('dns'),
    name: text,
    type: z.enum(dnsQuestionTypes),
    transport: z.enum(['udp', 'tcp']),
    expect: z.array(text).exactOptional(),
    pattern: text.exactOptional(),
  }),
  z.strictObject({ kind: z.literal('tls'), ...tls.shape, minimumDays: z.int() }),
  z.strictObject({
    kind: z.literal('grpc'),
    service: text.exactOptional(),
    authority: text.exactOptional(),
    tls: tls.exactOptional(),
  }),
  z.strictObject({
    kind: z.literal('external'),
    command: z.union([z.strictObject({ argv: z.array(text).min(1) }), z.strictObject({ shell: some })]),
    positional: z.boolean().exactOptional(),
    service: z.strictObject({ address: text, port: z.int() }).exactOptional(),
    environment: texts.exactOptional(),
    exitIsWeight: z.boolean().exactOptional(),
  }),
  z.strictObject({ kind: z.literal('file'), path: some, weight: z.int().exactOptional() }),
  z.strictObject({ kind: z.literal('agent'), send: text.exactOptional() }),
  z.strictObject({
    kind: z.literal('simpletcp'),
    send: text.exactOptional(),
    expect: text.exactOptional(),
    halfClose: z.boolean().exactOptional(),
    tls: tls.exactOptional(),
  }),
] as const

const protocols = [
  z.strictObject({
    kind: z.enum(['smtp', 'submission']),
    helo: text.exactOptional(),
    login: login.exactOptional(),
    ...securable,
  }),
  z.strictObject({ kind: z.literal('pop3'), login: login.exactOptional(), ...securable }),
  z.strictObject({
    kind: z.literal('imap'),
    login: login.exactOptional(),
    mailbox: text.exactOptional(),
    ...securable,
  }),
  z.strictObject({ kind: z.literal('nntp'), login: login.exactOptional(), group: text.exactOptional(), ...securable }),
  z.strictObject({
    kind: z.literal('ftp'),
    login: login.exactOptional(),
    path: text.exactOptional(),
    body: text.exactOptional(),
    ...securable,
  }),
  z.strictObject({
    kind: z.literal('ldap'),
    login: login.exactOptional(),
    base: text.exactOptional(),
    filter: text.exactOptional(),
    pattern: text.exactOptional(),
    ...securable,
  }),
  z.strictObject({
    kind: z.enum(['mysql', 'pgsql']),
    login: login.exactOptional(),
    database: text.exactOptional(),
    query: text.exactOptional(),
    tls: tls.exactOptional(),
  }),
  z.strictObject({
    kind: z.literal('redis'),
    login: login.exactOptional(),
    role: z.enum(['master', 'replica']).exactOptional(),
    tls: tls.exactOptional(),
  }),
  z.strictObject({ kind: z.literal('sip'), transport: z.enum(['udp', 'tcp']), user: text, status }),
  z.strictObject({
    kind: z.literal('radius'),
    login,
    secret: text,
    accept: z.array(z.enum(['accept', 'reject', 'challenge'])).min(1),
  }),
] as const

export const probeSchema: z.ZodType<ProbeSpec> = z
  .discriminatedUnion('kind', [...plain, ...protocols])
  .refine((probe) => isAvailableProbe(probe.kind), {
    error: ({ input }) => `checks of kind ${(input as ProbeSpec).kind} are not available in this version`,
  })
