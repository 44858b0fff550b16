/** The QEMU command line of a guest. Pure: everything about the host comes in. */
import { createHash } from 'node:crypto'
import { quote } from '../../hosts/quote.ts'
import type { GuestDefinition, GuestReach } from '../hypervisor.ts'
import { macOfGuest } from '../mac-address.ts'
import { agentPort } from './agent.ts'
import { type Extra, extraArguments } from './machine/extras.ts'
import type { GuestPaths } from './paths.ts'
import { forwardRule } from './user-network.ts'

export type Launch = {
  readonly acceleration: 'kvm' | 'tcg'
  readonly paths: GuestPaths
  /** Ports of the last run, asked for again. */
  readonly ports: readonly GuestReach[]
  readonly restore: boolean
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
    ...(launch.acceleration === 'kvm'
      ? ['-accel', 'kvm', '-cpu', 'host']
      : ['-accel', 'tcg,tb-size=64', '-cpu', 'max']),
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
    // What boots from a disk may say on its screen why it does not.
    const screen = ['-device', 'VGA']
    if (boot.disc === undefined) return screen
    const drive = `file=${value(boot.disc)},format=raw,media=cdrom,if=none,id=disc,readonly=on`
    return [...screen, '-drive', drive, '-device', 'ide-cd,drive=disc,bootindex=2']
  }
  const initrd = boot.initrd === undefined ? [] : ['-initrd', boot.initrd]
  return ['-kernel', boot.kernel, ...initrd, '-append', boot.cmdline]
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
