/** The QEMU command line of a guest. Pure: everything about the host comes in. */
import { createHash } from 'node:crypto'
import { quote } from '../../hosts/quote.ts'
import type { GuestDefinition, GuestReach } from '../hypervisor.ts'
import { macOfGuest } from '../mac-address.ts'
import { agentPort } from './agent.ts'
import type { Flash } from './firmware.ts'
import { type Extra, extraArguments } from './machine/extras.ts'
import type { GuestPaths } from './paths.ts'
import { forwardRule } from './user-network.ts'

export type Launch = {
  readonly acceleration: 'kvm' | 'tcg'
  readonly paths: GuestPaths
  /** Ports of the last run, asked for again. */
  readonly ports: readonly GuestReach[]
  readonly restore: boolean
  /** UEFI's code, for guests that have it. */
  readonly flash?: Flash
  /** What was attached to it beside its definition. */
  readonly extras: readonly Extra[]
}

export function qemuArguments(guest: GuestDefinition, launch: Launch): string[] {
  const { paths } = launch
  return [
    ...['-name', `guest=${guest.name},process=baton-${guest.name}`],
    ...['-pidfile', paths.pid],
    '-daemonize',
    '-nodefaults',
    '-no-user-config',
    ...['-display', 'none'],
    ...['-machine', 'q35'],
    // The translation cache is bounded: a guest costs its own memory and little more.
    ...['-accel', launch.acceleration === 'kvm' ? 'kvm' : 'tcg,tb-size=64'],
    ...['-cpu', cpuWord(guest, launch)],
    ...flashArguments(launch),
    ...['-smp', String(guest.vcpus)],
    ...['-m', `${Math.ceil(guest.memoryBytes / 1024 ** 2)}M`],
    ...['-object', 'rng-random,id=rng0,filename=/dev/urandom', '-device', 'virtio-rng-pci,rng=rng0'],
    ...['-device', 'virtio-balloon-pci'],
    ...['-chardev', `pipe,id=console,path=${value(paths.console)},logfile=${value(paths.consoleLog)},logappend=on`],
    ...['-serial', 'chardev:console'],
    ...['-qmp', `unix:${value(paths.control)},server=on,wait=off`],
    ...['-chardev', `socket,id=agent,path=${value(paths.agent)},server=on,wait=off`],
    ...['-device', 'virtio-serial-pci', '-device', `virtserialport,chardev=agent,name=${agentPort}`],
    ...bootArguments(guest),
    ...graphicsArguments(guest),
    ...guest.disks.flatMap((disk, index) => [
      '-drive',
      `file=${value(paths.disk(index, disk))},format=qcow2,if=none,id=disk${index},discard=unmap`,
      '-device',
      `virtio-blk-pci,drive=disk${index}${hasDisc(guest) && index === 0 ? ',bootindex=1' : ''}`,
    ]),
    ...networkArguments(guest, launch),
    ...extraArguments(launch.extras, paths),
    ...seedArguments(guest, paths),
    ...(launch.restore ? ['-incoming', `exec:cat ${quote(paths.saved)}`] : []),
  ]
}

function bootArguments({ boot }: GuestDefinition): string[] {
  if (boot.kind === 'disk') {
    if (boot.disc === undefined) return []
    const drive = `file=${value(boot.disc)},format=raw,media=cdrom,if=none,id=disc,readonly=on`
    return ['-drive', drive, '-device', 'ide-cd,drive=disc,bootindex=2']
  }
  const initrd = boot.initrd === undefined ? [] : ['-initrd', boot.initrd]
  return ['-kernel', boot.kernel, ...initrd, '-append', boot.cmdline]
}

function cpuWord({ hardware }: GuestDefinition, { acceleration }: Launch): string {
  const { cpu = acceleration === 'kvm' ? 'host-passthrough' : 'maximum' } = hardware ?? {}
  return cpu === 'host-passthrough' ? 'host' : cpu === 'maximum' ? 'max' : cpu
}

function flashArguments({ flash, paths }: Launch): string[] {
  if (flash === undefined) return []
  const code = `if=pflash,unit=0,format=${flash.format},readonly=on,file=${value(flash.code)}`
  return ['-drive', code, '-drive', `if=pflash,unit=1,format=qcow2,file=${value(paths.nvram)}`]
}

/** VNC counts its ports from here. */
const firstVncPort = 5900

function graphicsArguments({ boot, hardware }: GuestDefinition): string[] {
  const graphics = hardware?.graphics
  // What boots from a disk may say on its screen why it does not.
  const screen = boot.kind === 'disk' || graphics !== undefined ? ['-device', 'VGA'] : []
  if (graphics === undefined) return screen
  const { type, listen, port = firstVncPort } = graphics
  if (type === 'spice') return [...screen, '-spice', `addr=${listen},port=${port},disable-ticketing=on`]
  return [...screen, '-vnc', `${listen.includes(':') ? `[${listen}]` : listen}:${port - firstVncPort}`]
}

const hasDisc = ({ boot }: GuestDefinition): boolean => boot.kind === 'disk' && boot.disc !== undefined

/** On virtio as the disks: cloud kernels have no drivers for drives of discs. Last, so that nothing else moves for it. */
function seedArguments({ seed }: GuestDefinition, paths: GuestPaths): string[] {
  if (seed === undefined) return []
  const drive = `file=${value(paths.seed)},format=raw,if=none,id=seed,readonly=on`
  return ['-drive', drive, '-device', 'virtio-blk-pci,drive=seed']
}

function networkArguments(guest: GuestDefinition, { ports, paths }: Launch): string[] {
  const { network } = guest
  const device = ['-device', `virtio-net-pci,netdev=net0,mac=${macOfGuest('qemu', guest)}`]
  if (network.kind === 'bridge')
    return ['-netdev', `tap,id=net0,ifname=${tapName(paths)},script=no,downscript=no`, ...device]
  const forwards = network.forwards.map((forward) => {
    const last = ports.find(({ protocol, guestPort }) => protocol === forward.protocol && guestPort === forward.port)
    return `,hostfwd=${forwardRule(forward, last?.port ?? 0)}`
  })
  return ['-netdev', `user,id=net0${forwards.join('')}`, ...device]
}

/** One for each guest of each user of the host; at most 15 characters, as the kernel allows. */
export function tapName(paths: Pick<GuestPaths, 'state'>): string {
  return `bt${createHash('sha256').update(paths.state).digest('hex').slice(0, 12)}`
}

/** QEMU doubles commas inside an option's value. */
const value = (text: string): string => text.replaceAll(',', ',,')
