/** Names that sub-options had in earlier days, and that virt-install still takes: said again as those of today. */

/** `#`: a number, which stays. */
const names: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  memory: { hotplugmemorymax: 'maxMemory', hotplugmemoryslots: 'maxMemory.slots' },
  blkiotune: sameIn('device0', 'read_bytes_sec write_bytes_sec read_iops_sec write_iops_sec', '.'),
  cpu: { 'cell#': 'numa.cell#' },
  idmap: { ...sameIn('uid', 'start target count'), ...sameIn('gid', 'start target count') },
  disk: {
    ...sameIn('source', 'pool volume name protocol'),
    source_host_name: 'source.host0.name',
    source_host_port: 'source.host0.port',
    source_host_socket: 'source.host0.socket',
    source_host_transport: 'source.host0.transport',
    'seclabel#': 'source.seclabel#',
    snapshot_policy: 'snapshot',
    rotation_rate: 'target.rotation_rate',
    ...sameIn('driver', 'name type'),
    reservations: 'source.reservations',
  },
  network: Object.fromEntries(
    ['managerid', 'typeid', 'typeidversion', 'instanceid', 'profileid', 'interfaceid'].map((name) => [
      `virtualport_${name}`,
      `virtualport.parameters.${name}`,
    ]),
  ),
  graphics: { passwd: 'password', passwdValidTo: 'passwordValidTo' },
  rng: {
    backend_host: 'backend.source.host',
    backend_service: 'backend.source.service',
    backend_mode: 'backend.source.mode',
    backend_connect_host: 'backend.source.connect_host',
    backend_connect_service: 'backend.source.connect_service',
  },
  memdev: sameIn('source', 'pagesize path nodemask'),
  serial: { char_type: 'type' },
  parallel: { char_type: 'type' },
  channel: { char_type: 'type' },
  console: { char_type: 'type' },
}

/** `uid_start` is `uid.start`; with a joint of its own, the name alone is what it was. */
function sameIn(group: string, words: string, joint = '_'): Record<string, string> {
  return Object.fromEntries(
    words.split(' ').map((word) => [joint === '_' ? `${group}_${word}` : word, `${group}.${word}`]),
  )
}

/** A name, or a group of names by its first part. */
export function todaysName(option: string, name: string): string {
  const known = names[option]
  if (known === undefined) return name
  const whole = known[name]
  if (whole !== undefined) return whole
  const [, word = '', number = '', rest = ''] = /^([a-z]+)(\d*)(\..*)$/.exec(name) ?? []
  const group = known[`${word}#`]?.replace('#', number) ?? known[word]
  return group === undefined ? name : `${group}${rest}`
}
