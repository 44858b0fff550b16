/** What the kernel calls /proc/sys/net/ipv4/vs and `ipvsadm --set`: settings of a whole director, with the kernel's names and defaults. */

/** Seconds, 1..2678400. `tcpFin` is for FIN_WAIT only. */
export type Timeouts = { readonly tcp: number; readonly tcpFin: number; readonly udp: number }

export const defaultTimeouts: Timeouts = { tcp: 900, tcpFin: 120, udp: 300 }

/** Those that change what an engine decides or does to packets; kernel names, kernel defaults. */
export const defaultSysctls = {
  am_droprate: 10,
  amemthresh: 1024,
  backup_only: 0,
  cache_bypass: 0,
  conn_reuse_mode: 1,
  conntrack: 0,
  drop_entry: 0,
  drop_packet: 0,
  expire_nodest_conn: 0,
  expire_quiescent_template: 0,
  ignore_tunneled: 0,
  lblc_expiration: 86_400,
  lblcr_expiration: 86_400,
  nat_icmp_send: 0,
  pmtu_disc: 1,
  run_estimation: 1,
  schedule_icmp: 0,
  secure_tcp: 0,
  sloppy_sctp: 0,
  sloppy_tcp: 0,
  snat_reroute: 1,
} as const

export type SysctlName = keyof typeof defaultSysctls
export type Sysctls = { readonly [Name in SysctlName]: number }

export const sysctlNames = Object.keys(defaultSysctls) as SysctlName[]

export type Settings = { readonly timeouts: Timeouts; readonly sysctls: Sysctls }

export const defaultSettings: Settings = { timeouts: defaultTimeouts, sysctls: defaultSysctls }

/** Only what is to change. */
export type SettingsChange = { readonly timeouts?: Partial<Timeouts>; readonly sysctls?: Partial<Sysctls> }

/** A timeout of 0 leaves what is, as `ipvsadm --set` has it. */
export function withSettings(settings: Settings, change: SettingsChange): Settings {
  const timeouts = Object.entries(change.timeouts ?? {}).filter(([, seconds]) => seconds > 0)
  return {
    timeouts: { ...settings.timeouts, ...Object.fromEntries(timeouts) },
    sysctls: { ...settings.sysctls, ...change.sysctls },
  }
}

/** Off, automatic and off for now, automatic and on for now, always. */
const defenseModes: readonly SysctlName[] = ['drop_entry', 'drop_packet', 'secure_tcp']

/** Whether the kernel takes the value; for most it looks at nothing. */
export function isSysctlValue(name: SysctlName, value: number): boolean {
  return Number.isInteger(value) && (!defenseModes.includes(name) || (value >= 0 && value <= 3))
}
