/** `baton info`: a machine, or a guest, as lines of `word: value`. */
import type { GuestDefinition, GuestStatistics, HypervisorInfo, HypervisorName } from '../../guests/hypervisor.ts'
import type { Directories, HostFacts } from '../../hosts/host.ts'
import { formatEndpoint } from '../../lvs/service.ts'
import type { GuestJson } from '../local/status.ts'
import type { Paint } from '../terminal/paint.ts'
import { type Field, fields } from './fields.ts'
import { stateStyle } from './styles.ts'
import { count, formatBytes } from './units.ts'

export type MachineInfoJson = {
  readonly host: string
  readonly facts: HostFacts
  readonly directories: Directories
  /** `missing`: why it cannot run guests here. */
  readonly hypervisors: readonly {
    readonly name: HypervisorName
    readonly info: HypervisorInfo | null
    readonly missing: string | null
  }[]
}

/** `statistics` is null while the guest does not run. */
export type GuestInfoJson = GuestJson & {
  readonly definition: GuestDefinition
  readonly statistics: GuestStatistics | null
  readonly hypervisorInfo: HypervisorInfo
}

export function machineInfoView({ host, facts, directories, hypervisors }: MachineInfoJson, paint: Paint): string[] {
  const { distribution } = facts
  return fields(
    [
      ['host', `${host} (${facts.hostname})`],
      ['system', `${distribution.id} ${distribution.version}, Linux ${facts.kernel}, ${facts.architecture}`],
      ['processors', String(facts.cpus)],
      ['memory', `${formatBytes(facts.memoryBytes)}, ${formatBytes(facts.availableMemoryBytes)} available`],
      ['user', facts.isRoot ? 'root' : 'not root: user networking only'],
      ...hypervisors.map(
        ({ name, info, missing }): Field => [
          name,
          info === null ? `cannot run guests: ${missing}` : `${info.version}; ${accelerationText(info)}`,
        ],
      ),
      ['sockets', directories.runtime],
      ['state', directories.state],
      ['images', directories.cache],
    ],
    paint,
  )
}

export function guestInfoView(guest: GuestInfoJson, paint: Paint): string[] {
  const { definition, statistics } = guest
  const boot = definition.boot
  const state = paint(stateStyle(guest.state), guest.state)
  const cluster: Field[] = guest.cluster === null ? [] : [['cluster', `${guest.cluster}, pool ${guest.pool}`]]
  return fields(
    [
      ['guest', guest.name],
      ['state', guest.processId === null ? state : `${state}, process ${guest.processId}`],
      ['host', guest.host],
      ...cluster,
      ['runs on', `${guest.hypervisor} ${guest.hypervisorInfo.version}; ${accelerationText(guest.hypervisorInfo)}`],
      ['memory', formatBytes(guest.memoryBytes)],
      ['vcpus', String(guest.vcpus)],
      ['image', guest.image],
      [
        'boots',
        boot.kind === 'disk'
          ? `from its disk${boot.disc === undefined ? '' : `, or from ${boot.disc}`}`
          : `${boot.kernel} ${boot.cmdline}`,
      ],
      ...definition.disks.map(
        ({ base, sizeBytes }, index): Field => [
          `disk ${index}`,
          `${sizeBytes === undefined ? "its base's size" : formatBytes(sizeBytes)}, over ${base?.path ?? 'nothing'}`,
        ],
      ),
      ['network', networkText(definition)],
      ...guest.reach.map(
        (reach): Field => ['reached', `${reach.protocol} ${reach.guestPort} at ${formatEndpoint(reach)}`],
      ),
      ['autostart', definition.autostart ? 'yes' : 'no'],
      ...(statistics === null ? [] : statisticsFields(statistics)),
    ],
    paint,
  )
}

function statisticsFields({ cpuSeconds, residentBytes, disk, network }: GuestStatistics): Field[] {
  const traffic: Field[] =
    network === undefined
      ? []
      : [['traffic', `${formatBytes(network.receivedBytes)} received, ${formatBytes(network.sentBytes)} sent`]]
  return [
    ['cpu', `${cpuSeconds.toFixed(1)} s used`],
    ['resident', formatBytes(residentBytes)],
    ['disk traffic', `${formatBytes(disk.readBytes)} read, ${formatBytes(disk.writtenBytes)} written`],
    ...traffic,
  ]
}

function accelerationText({ acceleration: { kind, reason } }: HypervisorInfo): string {
  return `${kind} (${reason})`
}

function networkText({ network }: GuestDefinition): string {
  if (network.kind === 'user') return `user, ${count(network.forwards.length, 'forwarded port')}`
  return `bridge ${network.bridge}, ${network.address ?? 'dhcp'}`
}
