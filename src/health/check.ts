/** The Check port: one probe of one real server. One file per kind in checks/. */
import type { Endpoint } from '../lvs/service.ts'
import type { Source } from '../os/bound-socket.ts'

/** `verify: false` accepts any certificate: a health check asks whether the server works, not who it is. */
export type CheckTls = { readonly verify: boolean; readonly sni?: string }

export type Login = { readonly user: string; readonly password: string }

/** TLS from the first byte (`tls`), or begun by the protocol's own command (`starttls`); neither: in the clear. */
type Securable = { readonly tls?: CheckTls } | { readonly starttls?: CheckTls }

export type TcpCheckSpec = { readonly kind: 'tcp' }

/** Without `expect` only an ICMP refusal says that a server is down. */
export type UdpCheckSpec = {
  readonly kind: 'udp'
  /** What is sent, in hexadecimal; nothing but an empty datagram when left out. */
  readonly sendHex?: string
  /** `pattern`: a regular expression on the answer as text (Latin-1). `hex`: its beginning; `x` is any digit. */
  readonly expect?: { readonly pattern: string } | { readonly hex: string }
  /** Bounds of an expected answer's length. */
  readonly minimumBytes?: number
  readonly maximumBytes?: number
}

/** An ICMP echo. */
export type PingCheckSpec = {
  readonly kind: 'ping'
  readonly bytes?: number
  /** So many echoes, each within its share of the timeout, of which one must come back; one when left out. */
  readonly attempts?: number
}

/** Status codes: each a single code or an inclusive range. */
export type StatusCodes = readonly (number | readonly [number, number])[]

/** How a body is compared: `flags` as regular expressions have them; the match begins at `from` bytes, or after it up to `until`. */
export type BodyMatch = {
  readonly flags?: string
  /** It must not match. */
  readonly isAbsent?: true
  readonly from?: number
  readonly until?: number
}

type HttpRequestSpec = {
  /** GET when left out. */
  readonly method?: 'HEAD' | 'GET' | 'POST'
  readonly headers?: Readonly<Record<string, string>>
  /** The body of the request. */
  readonly send?: string
  /** Accepted status codes. */
  readonly status: StatusCodes
  /** A regular expression that the body (its first 64 KiB) must match. */
  readonly body?: string
  readonly bodyMatch?: BodyMatch
  /** The MD5 of the whole body, in hexadecimal. */
  readonly md5?: string
  /** How many redirects are followed; none when left out. All go to the checked server. */
  readonly redirects?: number
  /** The SNI name; otherwise the host's. */
  readonly tls?: CheckTls
}

export type HttpCheckSpec = HttpRequestSpec & {
  readonly kind: 'http'
  readonly path: string
  /** The Host header, and the SNI name with TLS; otherwise the endpoint's own. */
  readonly host?: string
}

/** The real server is a proxy: it is asked for a whole URL (https: through CONNECT). `tls` is spoken to the URL's host. */
export type HttpProxyCheckSpec = HttpRequestSpec & { readonly kind: 'http-proxy'; readonly url: string }

export const dnsQuestionTypes = [
  'A',
  'AAAA',
  'TXT',
  'SRV',
  'NS',
  'CNAME',
  'SOA',
  'MX',
  'PTR',
  'RRSIG',
  'DNSKEY',
] as const
export type DnsQuestionType = (typeof dnsQuestionTypes)[number]

/** Up when the answer has no error, and what was asked for (unless `expect` and `pattern` are left out) is in it. */
export type DnsCheckSpec = {
  readonly kind: 'dns'
  readonly name: string
  readonly type: DnsQuestionType
  readonly transport: 'udp' | 'tcp'
  /** Each of these must be among the answers, written as dig prints them (`10 5 5060 sip.example`). */
  readonly expect?: readonly string[]
  /** A regular expression that one answer must match. */
  readonly pattern?: string
}

/** A TLS handshake, and how long the certificate still lasts. */
export type TlsCheckSpec = CheckTls & { readonly kind: 'tls'; readonly minimumDays: number }

/** grpc.health.v1.Health/Check; the whole server when `service` is left out. */
export type GrpcCheckSpec = {
  readonly kind: 'grpc'
  readonly service?: string
  readonly authority?: string
  readonly tls?: CheckTls
}

/** Exit code 0 is up. A command that a signal ended has failed. */
export type ExternalCheckSpec = {
  readonly kind: 'external'
  readonly command: { readonly argv: readonly string[] } | { readonly shell: string }
  /** Adds ldirectord's four: the service's address (or mark) and port, the server's address and port. */
  readonly positional?: boolean
  /** The service's address and port; a mark's number and 0. For `positional` and BATON_SERVICE_*. */
  readonly service?: { readonly address: string; readonly port: number }
  readonly environment?: Readonly<Record<string, string>>
  /** keepalived's misc_dynamic: exit code 2 to 255 is up, with weight 0 to 253. */
  readonly exitIsWeight?: boolean
}

/**
 * A number in a file, 0 where there is none. Without `weight` it must be 0; with it, `weight` times the number is added to
 * the server's.
 */
export type FileCheckSpec = { readonly kind: 'file'; readonly path: string; readonly weight?: number }

/** HAProxy's agent-check text (configuration.txt 5.2, agent-check). */
export type AgentCheckSpec = { readonly kind: 'agent'; readonly send?: string }

export type SmtpCheckSpec = Securable & {
  readonly kind: 'smtp' | 'submission'
  readonly helo?: string
  readonly login?: Login
}
export type Pop3CheckSpec = Securable & { readonly kind: 'pop3'; readonly login?: Login }
export type ImapCheckSpec = Securable & { readonly kind: 'imap'; readonly login?: Login; readonly mailbox?: string }
export type NntpCheckSpec = Securable & { readonly kind: 'nntp'; readonly login?: Login; readonly group?: string }
/** `path` is retrieved, anonymously when `login` is left out, and its first 64 KiB must match `body`. Neither: it greets. */
export type FtpCheckSpec = Securable & {
  readonly kind: 'ftp'
  readonly login?: Login
  readonly path?: string
  readonly body?: string
}
/** `base`: a base-scope search must find exactly this one entry; `pattern`: a regular expression on its name. */
export type LdapCheckSpec = Securable & {
  readonly kind: 'ldap'
  /** A simple bind, the DN as user; anonymous when left out. */
  readonly login?: Login
  readonly base?: string
  readonly filter?: string
  readonly pattern?: string
}
/** Without `login` the server must answer one, were it with a refusal; `query` (with a login) must give a row at least. */
export type SqlCheckSpec = {
  readonly kind: 'mysql' | 'pgsql'
  readonly login?: Login
  readonly database?: string
  readonly query?: string
  readonly tls?: CheckTls
}
/** PING is answered; `role` as ROLE says it. */
export type RedisCheckSpec = {
  readonly kind: 'redis'
  /** An empty user is the default one. */
  readonly login?: Login
  readonly role?: 'master' | 'replica'
  readonly tls?: CheckTls
}
/** OPTIONS is answered with one of these codes. */
export type SipCheckSpec = {
  readonly kind: 'sip'
  readonly transport: 'udp' | 'tcp'
  /** user@host that is asked, and who asks. */
  readonly user: string
  readonly status: StatusCodes
}
/** An Access-Request is answered with one of these, with a right authenticator. */
export type RadiusCheckSpec = {
  readonly kind: 'radius'
  readonly login: Login
  readonly secret: string
  readonly accept: readonly ('accept' | 'reject' | 'challenge')[]
}
/** Sends a text, and what comes must match. */
export type SimpleTcpCheckSpec = {
  readonly kind: 'simpletcp'
  readonly send?: string
  /** A regular expression on what came so far (its first 64 KiB); any byte will do when left out. */
  readonly expect?: string
  /** Whether our side is closed after sending. */
  readonly halfClose?: boolean
  readonly tls?: CheckTls
}

export type ProbeSpec =
  | TcpCheckSpec
  | UdpCheckSpec
  | PingCheckSpec
  | HttpCheckSpec
  | HttpProxyCheckSpec
  | DnsCheckSpec
  | TlsCheckSpec
  | GrpcCheckSpec
  | ExternalCheckSpec
  | FileCheckSpec
  | AgentCheckSpec
  | SmtpCheckSpec
  | Pop3CheckSpec
  | ImapCheckSpec
  | NntpCheckSpec
  | FtpCheckSpec
  | LdapCheckSpec
  | SqlCheckSpec
  | RedisCheckSpec
  | SipCheckSpec
  | RadiusCheckSpec
  | SimpleTcpCheckSpec

export type ProbeKind = ProbeSpec['kind']

/** A server that changed its health `changes` times within a window stays out until it was well for `holdMs` in a row. */
export type FlapDamping = { readonly changes: number; readonly withinMs: number; readonly holdMs: number }

export type CheckSpec = {
  readonly probe: ProbeSpec
  /** Where to probe when not at the real server's own address and port. */
  readonly address?: string
  readonly port?: number
  /** Where it goes out: with probes over TCP, UDP and ICMP. */
  readonly from?: Source
  readonly everyMs: number
  readonly timeoutMs: number
  /** Time until the next probe while failures are counted; `everyMs` when left out (keepalived's delay_before_retry). */
  readonly doubtEveryMs?: number
  /** Successes in a row until healthy, failures in a row until not. At least 1. */
  readonly rise: number
  readonly fall: number
  /** After a probe that succeeded, so many checks only connect (TCP); one that fails is followed by a probe. None when left out. */
  readonly connects?: number
  /** How long one of those may take; `timeoutMs` when left out. */
  readonly connectTimeoutMs?: number
  /** A new server's first probe comes at a random moment within this time (keepalived's warmup); at once when left out. */
  readonly warmUpMs?: number
  /** A new server counts as healthy until the first probe says otherwise (keepalived without `alpha`). */
  readonly presumed?: true
  readonly damping?: FlapDamping
}

/** What a server says of itself beside up or down; what is left out is as it was. */
export type ProbeReport = {
  /** `percent` of the weight that the service gives it, a weight in its place, or what is added to it. */
  readonly weight?: { readonly percent: number } | { readonly absolute: number } | { readonly added: number }
  /** An agent's wish: no new connections (drain), none at all (maint), or as ever (ready). */
  readonly wish?: 'ready' | 'drain' | 'maint'
  /** An agent's limit of connections. */
  readonly maximumConnections?: number
  /** Whole days until the server's certificate ends; negative: since. */
  readonly certificateDays?: number
}

export type ProbeResult = {
  readonly healthy: boolean
  /** One line for people, of bounded length. */
  readonly detail: string
  readonly tookMs: number
  readonly report?: ProbeReport
  /** The check could not run, for a reason of this machine's: it says nothing of the server, and counts for nothing. */
  readonly inconclusive?: true
}

/** `timeoutMs`: how long that is, where it is known; for probes that divide their time. */
export type ProbeOptions = {
  readonly signal: AbortSignal
  readonly timeoutMs?: number
  /** Where it goes out; of commands and files that means nothing. */
  readonly from?: Source | undefined
}

/** Never throws and always ends by the deadline in `signal`; every socket it opened is closed when it resolves. */
export type Probe = (target: Endpoint, options: ProbeOptions) => Promise<ProbeResult>
