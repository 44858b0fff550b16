/**
 * Scripts at random from a seed: services and real servers come, change and go, clients connect, speak and leave, with
 * words that are wrong now and then. Steps stand in the first second of every six: no counter of the kernel's is about to
 * be read then, and no timer, whose slack grows with its length, about to fire.
 */
import { parseScript, type Script } from '../script.ts'
import { seededRandom } from './chance.ts'
import type { Making } from './making.ts'
import { packetLines } from './packets.ts'
import { deletionLine, serverEditLine, serverLine, serviceEditLine, serviceLines } from './table.ts'
import { wrongLine } from './wrong.ts'

const phases = 4
const phaseMs = 6000
const turnsPerPhase = 10

export function generateScript(seed: number): Script {
  const making: Making = { random: seededRandom(seed), services: [], clients: [] }
  const { random } = making
  // Not on the way: the kernel's own reset can bring back for 10 s what is expired by a packet only.
  const lines = random.chance(0.4) ? ['sysctl expire_nodest_conn 1'] : []
  for (let count = 1 + random.below(3); count > 0; count--) lines.push(...serviceLines(making))
  for (let phase = 0; phase < phases; phase++) {
    if (phase > 0) lines.push(`until ${1000 + phase * phaseMs}`)
    for (let turn = 0; turn < turnsPerPhase; turn++) lines.push(...turnLines(making))
    lines.push(`ipvsadm ${random.pick(listings)}`)
  }
  lines.push(...lastListings.map((words) => `ipvsadm ${words}`))
  return parseScript(`seed ${seed}`, lines.join('\n'))
}

const lastListings = ['-Ln', '-Lnc', '-Sn', '-Ln --stats', '-Ln --persistent-conn']

const listings = [
  ...lastListings, '-L', '-Lc', '-S', '-Ln --rate', '-Ln --thresholds', '-Ln --tun-info', '-L --timeout', '-L --daemon',
  '-Ln --stats --exact', '-Ln --sort', '-Lnc --persistent-conn',
] // biome-ignore format: a list to read at a glance

const turns: readonly [share: number, lines: (making: Making) => readonly string[]][] = [
  [50, packetLines],
  [10, (making) => [serverLine(making)]],
  [8, (making) => [serverEditLine(making)]],
  [4, (making) => [deletionLine(making)]],
  [2, (making) => (making.services.length < 5 ? serviceLines(making) : [])],
  [3, (making) => [serviceEditLine(making)]],
  [4, ({ random }) => [`ipvsadm ${random.pick(listings)}`]],
  [5, (making) => [wrongLine(making)]],
  [3, ({ random }) => [`sysctl ${random.pick(sysctls)}`]],
  [1, ({ random, services }) => [`ipvsadm -Z ${random.chance(0.5) ? random.pick(services).words : ''}`.trimEnd()]],
  [1, ({ random }) => [`ipvsadm --set ${[0, 1, 2].map(() => random.pick([0, 9, 15, 200, 1000])).join(' ')}`]],
]

function turnLines(making: Making): readonly string[] {
  let at = making.random.next() * turns.reduce((sum, [share]) => sum + share, 0)
  for (const [share, lines] of turns) {
    at -= share
    if (at < 0) return lines(making)
  }
  return []
}

const sysctls = [
  'expire_quiescent_template 1', 'expire_quiescent_template 0',
  'conn_reuse_mode 0', 'conn_reuse_mode 1', 'conn_reuse_mode 2', 'conn_reuse_mode 3', 'sloppy_tcp 1', 'sloppy_sctp 1',
  'nat_icmp_send 1', 'schedule_icmp 1', 'snat_reroute 0', 'secure_tcp 3', 'secure_tcp 0',
] // biome-ignore format: a list to read at a glance
