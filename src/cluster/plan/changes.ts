/** What differs between a guest as it is and as it is wanted, in words: the reasons of a plan. Pure. */

import type { GuestDefinition, GuestHardware, GuestNetwork } from '../../guests/hypervisor.ts'
import { formatEndpoint } from '../../lvs/service.ts'
import { formatSize } from '../spec/size.ts'
import type { PlannedGuest } from './plan.ts'

/** What has to be done about a guest that stands, with its reasons; undefined: nothing. */
export type GuestChange = {
  readonly kind: 'update' | 'restart' | 'replace'
  readonly reasons: readonly string[]
  /** Whether its ports may be reached elsewhere afterwards. */
  readonly movesPorts: boolean
  /** What an update leaves to be done when the services have moved on: forwards that nobody uses then. */
  readonly closes: readonly Forward[]
}

type Forward = Extract<GuestNetwork, { kind: 'user' }>['forwards'][number]

/** `digest`, `seed`: those that are wanted. The strongest change wins: what needs another disk replaces, what needs another start restarts, the rest is live. */
export function guestChange(
  actual: GuestDefinition,
  wanted: PlannedGuest,
  digest: string | undefined,
  seed?: string,
): GuestChange | undefined {
  const replace: string[] = []
  const restart: string[] = []
  const update: string[] = []
  if (actual.image !== digest) replace.push(`image ${wanted.image} changed`)
  const [first] = actual.disks.filter(({ isSwap }) => isSwap !== true)
  const disk = first?.sizeBytes
  if (disk !== wanted.diskBytes) replace.push(`disk changes from ${sizeWord(disk)} to ${sizeWord(wanted.diskBytes)}`)
  const swap = actual.disks.find(({ isSwap }) => isSwap === true)?.sizeBytes
  if (swap !== wanted.swapBytes) replace.push(`swap changes from ${swapWord(swap)} to ${swapWord(wanted.swapBytes)}`)
  const place = placeWord({ directory: wanted.diskDirectory, volumeGroup: wanted.diskVolumeGroup })
  const [moved] = actual.disks.filter((one) => placeWord(one) !== place)
  if (moved !== undefined) replace.push(`storage moves from ${placeWord(moved)} to ${place}`)
  if (actual.memoryBytes !== wanted.memoryBytes)
    restart.push(`memory changes from ${formatSize(actual.memoryBytes)} to ${formatSize(wanted.memoryBytes)}`)
  if (actual.vcpus !== wanted.vcpus) restart.push(`vcpus change from ${actual.vcpus} to ${wanted.vcpus}`)
  restart.push(...hardwareChanges(actual.hardware, wanted.hardware))
  if (networkText(actual.network) !== networkText(wanted.network))
    restart.push(`network changes from ${networkText(actual.network)} to ${networkText(wanted.network)}`)
  if (actual.seed?.digest !== seed) restart.push(seedWord(actual.seed?.digest, seed))
  if (actual.autostart !== wanted.autostart) update.push(`autostart is switched ${wanted.autostart ? 'on' : 'off'}`)
  if (actual.mark?.pool !== wanted.mark?.pool) update.push(`it belongs to pool ${wanted.mark?.pool} now`)
  if (replace.length > 0) return { kind: 'replace', reasons: [...replace, ...restart], movesPorts: true, closes: [] }
  if (restart.length > 0) return { kind: 'restart', reasons: restart, movesPorts: true, closes: [] }
  const opens = missingForwards(actual.network, wanted.network)
  const closes = missingForwards(wanted.network, actual.network)
  if (opens.length > 0) update.push(`${portsText(opens)} forwarded`)
  if (update.length === 0 && closes.length === 0) return undefined
  return { kind: 'update', reasons: update, movesPorts: opens.length > 0, closes }
}

function hardwareChanges(has: GuestHardware = {}, wanted: GuestHardware = {}): string[] {
  const pairs = [
    ['firmware', has.firmware ?? 'bios', wanted.firmware ?? 'bios'],
    ['cpu', has.cpu ?? 'the usual one', wanted.cpu ?? 'the usual one'],
    ['graphics', graphicsWord(has.graphics), graphicsWord(wanted.graphics)],
  ] as const
  return pairs.flatMap(([key, from, to]) => (from === to ? [] : [`${key} changes from ${from} to ${to}`]))
}

function graphicsWord(graphics: GuestHardware['graphics']): string {
  if (graphics === undefined) return 'none'
  const { type, listen, port } = graphics
  return `${type} at ${port === undefined ? listen : formatEndpoint({ address: listen, port })}`
}

function seedWord(has: string | undefined, wanted: string | undefined): string {
  return wanted === undefined ? 'its seed goes' : has === undefined ? 'it gets a seed' : 'what cloud-init does changes'
}

/** `port 80/tcp is`, `ports 80/tcp 81/udp are`. */
export function portsText(forwards: readonly Forward[]): string {
  const texts = forwards.map(({ protocol, port }) => `${port}/${protocol}`)
  return `${texts.length === 1 ? 'port' : 'ports'} ${texts.join(' ')} ${texts.length === 1 ? 'is' : 'are'}`
}

/** Those of the second that the first has not. */
function missingForwards(has: GuestNetwork, wanted: GuestNetwork): readonly Forward[] {
  if (has.kind !== 'user' || wanted.kind !== 'user') return []
  return wanted.forwards.filter(
    ({ protocol, port }) => !has.forwards.some((other) => other.protocol === protocol && other.port === port),
  )
}

const sizeWord = (bytes: number | undefined): string =>
  bytes === undefined ? "the image's own size" : formatSize(bytes)

const swapWord = (bytes: number | undefined): string => (bytes === undefined ? 'none' : formatSize(bytes))

/** Where a disk lies. */
const placeWord = (disk: {
  readonly directory?: string | undefined
  readonly volumeGroup?: string | undefined
}): string =>
  disk.volumeGroup === undefined ? (disk.directory ?? 'the usual place') : `volume group ${disk.volumeGroup}`

function networkText(network: GuestNetwork): string {
  if (network.kind === 'user') return 'user'
  return [
    network.bridge,
    network.address ?? 'dhcp',
    ...(network.gateway === undefined ? [] : [`via ${network.gateway}`]),
    ...(network.bridgeAddress === undefined ? [] : [`at the host's ${network.bridgeAddress}`]),
  ].join(' ')
}
