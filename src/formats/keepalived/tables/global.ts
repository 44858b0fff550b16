/** The keywords of global_defs, and of what stands outside all blocks. */
import type { Keyword, Table } from '../keyword.ts'
import {
  block,
  command,
  commandOnce,
  flag,
  integer,
  list,
  longest,
  maxInt,
  maxUnsigned,
  optional,
  seconds,
  words,
} from './kinds.ts'

const globalFlag = (name: string): Keyword => flag(`Invalid value '$' for global ${name} specified`)
const invalidFlag = (name: string): Keyword => flag(`Invalid value for ${name} specified`)
const garp = (name: string): Keyword => integer(0, maxUnsigned, `${name} '$' invalid - ignoring`)
const anyFlag: Keyword = optional

/** Of each of keepalived's processes. */
function processes(): Table {
  const table: Record<string, Keyword> = {}
  for (const name of ['vrrp', 'checker', 'bfd']) {
    table[`${name}_process_name`] = words({ missing: 'Process name missing' })
    table[`${name}_priority`] = integer(-20, 19, `Invalid ${name} process priority specified`, {
      missing: `No ${name} process priority specified`,
    })
    table[`${name}_rt_priority`] = integer(1, 99, `${name} process real-time priority '$' invalid`, {
      missing: `No ${name} process real-time priority specified`,
    })
    table[`${name}_rlimit_rttime`] = integer(1, maxUnsigned, `Invalid ${name} real-time limit - $`)
    table[`${name}_rlimit_rtime`] = words({
      says: `Keyword '${name}_rlimit_rtime' is deprecated - please use '${name}_rlimit_rttime'`,
    })
    table[`${name}_no_swap`] = anyFlag
    table[`${name}_cpu_affinity`] = words({ missing: `No ${name} cpu_id set specified` })
  }
  for (const name of [
    'vrrp_netlink_cmd',
    'vrrp_netlink_monitor',
    'lvs_netlink_cmd',
    'lvs_netlink_monitor',
    'process_monitor',
  ]) {
    table[`${name}_rcv_bufs`] = integer(0, maxUnsigned, `${name}_rcv_bufs size ($) invalid`, {
      missing: `${name}_rcv_bufs size missing`,
    })
    table[`${name}_rcv_bufs_force`] = globalFlag(`${name}_rcv_bufs_force`)
  }
  for (const prefix of ['', 'vrrp_', 'lvs_']) {
    table[`${prefix}notify_fifo`] = words({ missing: `No ${prefix}notify_fifo name specified` })
    table[`${prefix}notify_fifo_script`] = commandOnce(`${prefix}notify_fifo_script already specified - ignoring $`)
  }
  return table
}

const globals: Table = {
  ...processes(),
  router_id: words({ missing: 'routerid name missing - ignoring' }),
  notification_email: list,
  notification_email_from: words({ missing: 'emailfrom missing - ignoring' }),
  smtp_server: words(),
  smtp_helo_name: words(),
  smtp_connect_timeout: integer(0, 4294, "smtp_connect_timeout '$' must be in [0, 4294] - ignoring"),
  smtp_alert: globalFlag('smtp_alert'),
  smtp_alert_vrrp: globalFlag('smtp_alert_vrrp'),
  smtp_alert_checker: globalFlag('smtp_alert_checker'),
  no_email_faults: anyFlag,
  no_checker_emails: globalFlag('no_checker_emails'),
  checker_log_all_failures: invalidFlag('checker_log_all_failures'),
  use_symlink_paths: anyFlag,
  process_names: anyFlag,
  process_name: words({ missing: 'Process name missing' }),
  lvs_process_name: words({ says: "'lvs_process_name' is deprecated - please use 'checker_process_name'" }),
  startup_script: command,
  startup_script_timeout: integer(1, 1000, "startup_script_timeout '$' must be in [1, 1000] - ignoring", {
    missing: 'startup_script_timeout requires value',
  }),
  shutdown_script: command,
  shutdown_script_timeout: integer(1, 1000, "shutdown_script_timeout '$' must be in [1, 1000] - ignoring", {
    missing: 'shutdown_script_timeout requires value',
  }),
  max_auto_priority: integer(-1, 99, "max_auto_priority '$' must be in [0, 99] (or -1 to disable) - ignoring", {
    bare: 99,
  }),
  min_auto_priority_delay: integer(1, 10_000_000, "min_auto_priority_delay '$' must be in [1, 10000000] - ignoring", {
    missing: 'min_auto_priority_delay requires delay time',
  }),
  umask: words({ missing: 'umask missing bit value' }),
  script_user: words({ missing: 'No script username specified' }),
  enable_script_security: anyFlag,
  random_seed: integer(0, maxUnsigned, 'random_seed $ invalid'),
  tmp_config_directory: words({ missing: 'tmp_config_directory missing directory name' }),
  config_save_dir: words({ missing: 'config_save_dir missing directory name' }),
  include_check: optional,
  data_use_instance: globalFlag('date_use_instance'),

  vrrp_version: integer(2, 3, 'VRRP Error: Version must be either 2 or 3'),
  vrrp_mcast_group4: words(),
  vrrp_mcast_group6: words(),
  default_interface: words({ missing: 'default_interface requires interface name' }),
  vrrp_garp_master_delay: garp('vrrp_garp_master_delay'),
  vrrp_garp_master_repeat: garp('vrrp_garp_master_repeat'),
  vrrp_garp_master_refresh: integer(0, maxUnsigned, "Invalid vrrp_garp_master_refresh '$' - ignoring"),
  vrrp_garp_master_refresh_repeat: garp('vrrp_garp_master_refresh_repeat'),
  vrrp_garp_lower_prio_delay: garp('vrrp_garp_lower_prio_delay'),
  vrrp_garp_lower_prio_repeat: integer(0, maxUnsigned, "Invalid vrrp_garp_lower_prio_repeat '$'"),
  vrrp_garp_interval: seconds(0.000001, longest, "vrrp_garp_interval '$' is invalid"),
  vrrp_gna_interval: seconds(0.000001, longest, "vrrp_gna_interval '$' is invalid"),
  vrrp_min_garp: invalidFlag('vrrp_min_garp'),
  vrrp_garp_extra_if: words({ missing: 'vrrp_garp_extra_if specified without time - ignoring' }),
  vrrp_vmac_garp_intvl: words({
    says: 'Keyword "vrrp_vmac_garp_intvl" is deprecated - please use "vrrp_garp_extra_if"',
  }),
  vrrp_down_timer_adverts: integer(1, 100, "Invalid vrrp_down_timer_adverts [1:100] '$'"),
  vrrp_lower_prio_no_advert: invalidFlag('vrrp_lower_prio_no_advert'),
  vrrp_higher_prio_send_advert: invalidFlag('vrrp_higher_prio_send_advert'),
  vrrp_check_unicast_src: anyFlag,
  vrrp_skip_check_adv_addr: anyFlag,
  vrrp_strict: anyFlag,
  vrrp_startup_delay: seconds(0, longest, "vrrp_startup_delay '$' is invalid"),
  vrrp_notify_priority_changes: globalFlag('vrrp_notify_priority_changes'),
  log_unknown_vrids: anyFlag,
  vmac_prefix: words(),
  vmac_addr_prefix: words(),
  dynamic_interfaces: optional,
  disable_local_igmp: anyFlag,
  vrrp_rx_bufs_policy: words({ missing: 'vrrp_rx_bufs_policy missing' }),
  vrrp_rx_bufs_multiplier: integer(1, maxInt, 'Invalid vrrp_rx_bufs_multiplier $', {
    missing: 'Invalid vrrp_rx_bufs_multiplier',
  }),

  vrrp_iptables: optional,
  vrrp_ipsets: optional,
  nftables: optional,
  nftables_priority: integer(-maxInt, maxInt, "invalid nftables chain priority '$'"),
  nftables_counters: anyFlag,
  nftables_ifindex: anyFlag,
  nftables_ipvs: optional,
  nftables_ipvs_priority: integer(-maxInt, maxInt, "invalid ipvs nftables chain priority '$'"),
  nftables_ipvs_start_fwmark: integer(1, maxUnsigned, "invalid ipvs nftables start_fwmark priority '$'"),

  lvs_sync_daemon: words({ missing: 'lvs_sync_daemon requires interface' }),
  lvs_timeouts: words({ needs: 3, missing: 'lvs_timeouts requires at least one option' }),
  lvs_flush: anyFlag,
  lvs_flush_on_stop: optional,
  rs_init_notifies: globalFlag('rs_init_notifies'),
  fifo_write_vrrp_states_on_reload: anyFlag,

  reload_check_config: optional,
  reload_time_file: words({ missing: 'reload_time_file invalid' }),
  reload_repeat: anyFlag,
  reload_file: optional,

  snmp_socket: words({ missing: 'SNMP error : snmp socket name missing' }),
  enable_snmp_keepalived: anyFlag,
  enable_snmp_vrrp: anyFlag,
  enable_snmp_checker: anyFlag,
  enable_snmp_rfc: anyFlag,
  enable_snmp_rfcv2: anyFlag,
  enable_snmp_rfcv3: anyFlag,
  enable_traps: anyFlag,
  enable_dbus: anyFlag,
  dbus_service_name: words({ missing: 'dbus_service_name missing - ignoring' }),
}

export const globalTables: Table = {
  global_defs: block(globals),
  linkbeat_use_polling: anyFlag,
  net_namespace: words({ missing: 'net_namespace name missing - ignoring' }),
  net_namespace_ipvs: optional,
  namespace_with_ipsets: anyFlag,
  instance: words({ missing: 'instance name missing - ignoring' }),
  use_pid_dir: anyFlag,
  child_wait_time: integer(0, maxUnsigned, 'Invalid child_wait_time $'),
}

/** Read by all processes but the first. */
export const bfdTables: Table = {
  bfd_instance: block(
    {
      neighbor_ip: words(),
      source_ip: words(),
      min_rx: words(),
      min_tx: words(),
      idle_tx: words(),
      multiplier: words(),
      passive: anyFlag,
      ttl: words(),
      hoplimit: words(),
      max_hops: words(),
      weight: words(),
      vrrp: anyFlag,
      checker: anyFlag,
    },
    { needs: 1 },
  ),
}
