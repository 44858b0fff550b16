/**
 * What the director and its program share: bpf/layout.h from this side, in bytes. A test compares both by the object's
 * type information. Little-endian, but for addresses and ports, which are in network order.
 */

export const layouts = {
  flow_key: {
    bytes: 40,
    at: { source: 0, destination: 16, source_port: 32, destination_port: 34, protocol: 36, family: 37 },
  },
  hop: { bytes: 24, at: { generation: 0, question: 4, interface: 8, to: 12, from: 18 } },
  flow: {
    bytes: 96,
    at: { word: 0, expires: 8, server: 16, kind: 20, forwarding: 21, mtu: 22, template: 24, other: 32, hop: 72 },
  },
  vouched: { bytes: 16, at: { until: 0, generation: 8 } },
  template: { bytes: 72, at: { word: 0, expires: 8, timeout: 16, server: 24, server_port: 28, name: 32 } },
  adoption: { bytes: 56, at: { key: 0, timeout: 40, server: 48, port: 52, state: 54, adopted: 55 } },
  service_key: { bytes: 20, at: { address: 0, port: 16, protocol: 18, family: 19 } },
  service: {
    bytes: 76,
    at: {
      slot: 0, generation: 4, members: 8, count: 12, table: 16, table_size: 20,
      last: 24, bar: 28, highest: 32, step: 36, rule: 40, flags: 41, kept: 42, order: 44,
      timeout: 48, mask: 52, port: 68, locality: 72,
    }, // biome-ignore format: a list to read at a glance
  },
  server: {
    bytes: 128,
    at: {
      address: 0, port: 16, family: 18, forwarding: 19, use: 20, tunnel: 21, tunnel_port: 22, weight: 24, last_weight: 28,
      upper: 32, lower: 36, active: 40, inactive: 44, overloaded: 48, service: 52, interface: 56, source: 60,
      persistent: 76,
    }, // biome-ignore format: a list to read at a glance
  },
  port: { bytes: 8, at: { address: 0 } },
  statistics: { bytes: 40, at: { connections: 0, packets_in: 8, packets_out: 16, bytes_in: 24, bytes_out: 32 } },
  settings: {
    bytes: 568,
    at: {
      tcp_timeouts: 0, udp_timeout: 128, hurried_timeout: 136, most_connections: 144, most_half_open: 148,
      active_states: 152, half_open_states: 154, reuse_states: 156, reuse_input_only_states: 158,
      expire_nodest_conn: 160, expire_quiescent_template: 164, sloppy_tcp: 168, schedule_icmp: 172, pmtu_disc: 176,
      drop_rate: 180, lookups: 184, most_templates: 188, lblcr_expiration: 192, sysctls: 196, next_states: 324,
    }, // biome-ignore format: a list to read at a glance
  },
  destination_key: { bytes: 20, at: { address: 0, locality: 16 } },
  destination: { bytes: 32, at: { last_use: 0, changed: 8, server: 16, count: 20, next: 24, is_held: 28 } },
  replicas_key: { bytes: 24, at: { destination: 0, piece: 20 } },
  replica: { bytes: 8, at: { server: 0, number: 4 } },
  locality: { bytes: 8, at: { added: 0, forgotten: 4 } },
  totals: {
    bytes: 48,
    at: { connections: 0, half_open: 8, refused_full: 16, refused_half_open: 24, templates: 32, candidates: 40 },
  },
} as const

/** Raised when the maps of an older director cannot be gone on with. */
export const layoutVersion = 3

export const families = { ipv4: 4, ipv6: 6 } as const
/** `any`: of a firewall mark. */
export const protocols = { any: 0, tcp: 6, udp: 17 } as const
export const flowKinds = { FLOW_CONNECTION: 1, FLOW_REPLY: 2 } as const
export const rules = {
  RULE_NONE: 0, RULE_RR: 1, RULE_WRR: 2, RULE_LC: 3, RULE_WLC: 4, RULE_SED: 5, RULE_NQ: 6, RULE_FO: 7, RULE_OVF: 8,
  RULE_SH: 9, RULE_MH: 10, RULE_DH: 11, RULE_TWOS: 12, RULE_LBLC: 13, RULE_LBLCR: 14,
} as const // biome-ignore format: a list to read at a glance
export const serviceFlags = { fallback: 1, port: 2, onePacket: 4, mark: 8 } as const
/** Of a template's word. */
export const templateFlags = { assured: 1, nameless: 2 } as const
/** What services there are beside those of one address and port. */
export const lookups = { mark: 1, ftp: 2, anyPort: 4 } as const
export const forwardings = { FORWARD_MASQ: 0, FORWARD_LOCAL: 1, FORWARD_TUNNEL: 2, FORWARD_DIRECT: 3 } as const
export const tunnels = { TUNNEL_PLAIN: 0, TUNNEL_IPIP: 1, TUNNEL_GUE: 2, TUNNEL_GRE: 3 } as const
export const uses = { SERVER_FREE: 0, SERVER_INSTALLED: 1, SERVER_LEAVING: 2 } as const
/** Of the program's table of states: direction, event, state. */
export const directions = { DIRECTION_IN: 0, DIRECTION_OUT: 1, DIRECTION_INPUT_ONLY: 2 } as const
export const events = { EVENT_RST: 0, EVENT_SYN: 1, EVENT_FIN: 2, EVENT_ACK: 3, EVENT_NONE: 4 } as const
export const statesPerRow = 16
export const noServer = 0xffff_ffff
/** Of one service: what a list is looked through for (MOST_SERVERS). */
export const mostServers = 4096
/** Keys that `reap` looks at in one run. */
export const reapMost = 256
/** Connections that `adopt` takes in one run, and that they are templates. */
export const adoptMost = 256
export const adoptTemplates = 0x1_0000
/** They are numbers of templates. */
export const reapTemplates = 0x1_0000
/** Those that drop_entry takes: half-open ones, and templates that no connection has worked under. */
export const reapUnproven = 0x2_0000
/** Servers in a piece of one of lblcr's sets (REPLICAS). */
export const replicasPerPiece = 32

export const mapNames = [
  'flows', 'templates', 'remembered', 'services', 'turns', 'servers', 'slots', 'counters', 'kept', 'settings', 'totals',
  'vouched', 'fragments', 'reaping', 'destinations', 'replicas', 'localities',
] as const // biome-ignore format: a list to read at a glance
export type MapName = (typeof mapNames)[number]
