/** The keywords of VRRP: instances, groups, what they watch, and addresses and routes that stand by themselves. */
import type { Keyword, Table } from '../keyword.ts'
import {
  block,
  choice,
  commandOnce,
  flag,
  integer,
  list,
  listOnce,
  longest,
  maxInt,
  maxUnsigned,
  optional,
  seconds,
  words,
} from './kinds.ts'

const ignoring = (name: string): Keyword => integer(0, maxUnsigned, `(@): ${name} '$' invalid - ignoring`)

/** `name` and `kind`: how the block that they stand in is called. */
const notifications = (name: string, kind: string): Table => ({
  ...Object.fromEntries(
    ['notify', 'notify_master', 'notify_backup', 'notify_fault', 'notify_stop'].map((keyword) => [
      keyword,
      commandOnce(`${name} ${keyword} script already specified - ignoring $`),
    ]),
  ),
  smtp_alert: flag(`Invalid ${kind} smtp_alert parameter $`),
})

const tracked: Table = {
  ...Object.fromEntries(
    ['track_interface', 'track_script', 'track_file', 'track_process'].map((keyword) => [
      keyword,
      listOnce(`(@) duplicate ${keyword} $ - ignoring`),
    ]),
  ),
  track_bfd: list,
}

const instance: Table = {
  ...notifications('(@)', 'vrrp_instance'),
  ...tracked,
  notify_deleted: optional,
  notify_master_rx_lower_pri: commandOnce('(@) notify_master_rx_lower_pri script already specified - ignoring $'),
  notify_priority_changes: flag("(@) Invalid value '$' for notify_priority_changes specified"),
  state: choice(['MASTER', 'BACKUP'], "(@) unknown state '$', defaulting to BACKUP"),
  interface: words(),
  vrf: words(),
  linkbeat_use_polling: optional,
  dont_track_primary: optional,
  virtual_router_id: integer(1, 255, "(@): VRID '$' not valid - must be between 1 & 255"),
  priority: integer(1, 255, '(@) Priority not valid! must be between 1 & 255. Using default 100', { instead: 100 }),
  advert_int: seconds(0.01, 255, '(@) Advert interval ($) not valid! Must be > 0 - ignoring'),
  version: integer(2, 3, '(@): Version must be either 2 or 3'),
  virtual_ipaddress: list,
  virtual_ipaddress_excluded: list,
  virtual_routes: list,
  virtual_rules: list,
  promote_secondaries: optional,
  authentication: block({
    auth_type: choice(['PASS', 'AH'], "(@) unknown authentication type '$'"),
    auth_pass: words(),
  }),
  preempt: optional,
  nopreempt: optional,
  preempt_delay: seconds(0, 1000, '(@) Preempt_delay not valid! must be between 0-1000'),
  unicast_src_ip: words(),
  mcast_src_ip: words(),
  mcast_dst_ip: words(),
  track_src_ip: optional,
  unicast_peer: list,
  unicast_ttl: integer(0, 255, "(@): TTL '$' not valid - must be between 0 & 255"),
  unicast_fault_no_peer: optional,
  check_unicast_src: optional,
  old_unicast_checksum: optional,
  native_ipv6: optional,
  use_vmac: optional,
  use_vmac_addr: optional,
  vmac_xmit_base: optional,
  use_ipvlan: optional,
  garp_master_delay: ignoring('garp_master_delay'),
  garp_master_repeat: ignoring('garp_master_repeat'),
  garp_master_refresh: integer(0, maxUnsigned, "(@): Invalid garp_master_refresh '$' - ignoring"),
  garp_master_refresh_repeat: ignoring('garp_master_refresh_repeat'),
  garp_lower_prio_delay: ignoring('garp_lower_prio_delay'),
  garp_lower_prio_repeat: integer(0, maxUnsigned, "(@): Invalid garp_lower_prio_repeat '$'"),
  garp_extra_if: words({ missing: '(@): garp_extra_if specified without time - ignoring' }),
  vmac_garp_intvl: words({ says: 'Keyword "vmac_garp_intvl" is deprecated - please use "garp_extra_if"' }),
  down_timer_adverts: integer(1, 100, "(@): Invalid down_timer_adverts [1:100] '$'"),
  lower_prio_no_advert: flag('(@) invalid lower_prio_no_advert $ specified'),
  higher_prio_send_advert: flag('(@) invalid higher_prio_send_advert $ specified'),
  skip_check_adv_addr: flag('(@) invalid skip_check_adv_addr $ specified'),
  strict_mode: flag('(@) invalid strict_mode $ specified'),
  accept: optional,
  no_accept: optional,
  kernel_rx_buf_size: integer(0, maxUnsigned, '(@) invalid kernel_rx_buf_size specified'),
  debug: integer(0, 4, "(@) Debug value '$' not valid; must be between 0-4"),
  lvs_sync_daemon_interface: words(),
}

const script: Table = {
  script: { kind: 'command', mayBeBare: true },
  interval: integer(0, Math.floor(longest), "(@): vrrp script interval '$' must be between 1 and 4294 - ignoring"),
  timeout: integer(0, Math.floor(longest), "(@): vrrp script timeout '$' invalid - ignoring"),
  weight: integer(-253, 253, 'vrrp_script @ weight $ must be in [-253, 253]', {
    after: { known: 'reverse', says: 'vrrp_script @ unknown weight option' },
  }),
  rise: integer(1, maxInt, "(@): vrrp script rise value '$' invalid, defaulting to 1", { instead: 1 }),
  fall: integer(1, maxInt, "(@): vrrp script fall value '$' invalid, defaulting to 1", { instead: 1 }),
  user: words(),
  init_fail: optional,
}

const file: Table = {
  file: words(),
  weight: words(),
  init_file: optional,
}

const delay = (name: string): Keyword =>
  seconds(
    0.000001,
    3600,
    `${name}delay ($) for vrrp_track_process @ must be between [0.000001..3600] inclusive. Ignoring...`,
  )

const trackedProcess: Table = {
  process: words(),
  param_match: choice(['initial', 'partial'], 'Invalid param_match type $ - ignoring'),
  weight: words({ missing: 'No weight specified for track process @ - ignoring' }),
  quorum: integer(1, 65_535, 'Quorum ($) for vrrp_track_process @ must be between [1..65535] inclusive. Ignoring...'),
  quorum_max: integer(
    0,
    65_535,
    'quorum_max ($) for vrrp_track_process @ must be between [0..65535] inclusive. Ignoring...',
  ),
  delay: delay(''),
  fork_delay: delay('fork_'),
  terminate_delay: delay('terminate_'),
  full_command: optional,
}

/** Read by the checkers, too. */
export const trackedFiles: Table = {
  track_file: block(file, { needs: 1 }),
  vrrp_track_file: block(file, { needs: 1 }),
}

export const vrrpTables: Table = {
  static_ipaddress: list,
  static_routes: list,
  static_rules: list,
  track_group: block({ group: list }),
  linkbeat_interfaces: list,
  interface_up_down_delays: list,
  garp_group: block({
    garp_interval: seconds(0, longest, "garp_group garp_interval '$' invalid"),
    gna_interval: seconds(0, longest, "garp_group gna_interval '$' invalid"),
    interface: words(),
    interfaces: list,
  }),
  vrrp_sync_group: block(
    {
      ...notifications('vrrp group @:', 'vrrp_group'),
      ...tracked,
      group: list,
      notify_priority_changes: flag("(@) Invalid value '$' for sync group notify_priority_changes specified"),
      global_tracking: optional,
      sync_group_tracking_weight: optional,
    },
    { nameless: 'vrrp_sync_group must have a name - skipping' },
  ),
  vrrp_instance: block(instance, {
    twice: 'vrrp instance @ already defined',
    nameless: 'vrrp_instance must have a name',
  }),
  vrrp_script: block(script, { needs: 1 }),
  ...trackedFiles,
  vrrp_track_process: block(trackedProcess, { needs: 1 }),
}
