/** The QEMU command line of a guest. Pure: everything about the host comes in. */
import type { GuestDefinition, GuestReach } from '../hypervisor.ts'
import type { GuestPaths } from './paths.ts'
import { forwardRule } from './user-network.ts'

export type Launch = {
  readonly acceleration: 'kvm' | 'tcg'
  readonly paths: GuestPaths
  /** Ports of the last run, asked for again. */
  readonly ports: readonly GuestReach[]
  /** The tap device of a guest on a bridge. */
  readonly tap: string
  readonly restore: boolean
}

export function qemuArguments(guest: GuestDefinition, launch: Launch): string[] {
  const { paths } = launch
  return [
    'qemu-system-x86_64',
    ...['-name', `guest=${guest.name},process=baton-${guest.name}`.slice(0, 100)],
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
    ...[
      '-chardev',
      `socket,id=console,path=${value(paths.console)},server=on,wait=off,logfile=${value(paths.consoleLog)},logappend=on`,
    ],
    ...['-serial', 'chardev:console'],
    ...['-qmp', `unix:${value(paths.control)},server=on,wait=off`],
    ...bootArguments(guest),
    ...guest.disks.flatMap((_disk, index) => [
      '-drive',
      `file=${value(paths.disk(index))},format=qcow2,if=none,id=disk${index},discard=unmap`,
      '-device',
      `virtio-blk-pci,drive=disk${index}`,
    ]),
    ...networkArguments(guest, launch),
    ...(launch.restore ? ['-incoming', `exec:cat ${quote(paths.saved)}`] : []),
    ...['-pidfile', paths.pid],
    '-daemonize',
  ]
}

function bootArguments({ boot }: GuestDefinition): string[] {
  if (boot.kind === 'disk') return []
  const initrd = boot.initrd === undefined ? [] : ['-initrd', boot.initrd]
  return ['-kernel', boot.kernel, ...initrd, '-append', boot.cmdline]
}

function networkArguments({ name, network }: GuestDefinition, { ports, tap }: Launch): string[] {
  const device = ['-device', `virtio-net-pci,netdev=net0,mac=${macAddress(name)}`]
  if (network.kind === 'bridge') return ['-netdev', `tap,id=net0,ifname=${tap},script=no,downscript=no`, ...device]
  const forwards = network.forwards.map((forward) => {
    const last = ports.find(({ protocol, guestPort }) => protocol === forward.protocol && guestPort === forward.port)
    return `,hostfwd=${forwardRule(forward, last?.port ?? 0)}`
  })
  return ['-netdev', `user,id=net0${forwards.join('')}`, ...device]
}

/** 52:54:00 is QEMU's own prefix; the rest comes from the name, so that it stays (FNV-1a, 24 of 32 bits). */
export function macAddress(name: string): string {
  let hash = 0x811c9dc5
  for (const byte of new TextEncoder().encode(name)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0
  const hex = hash.toString(16).padStart(8, '0')
  return `52:54:00:${hex.slice(2, 4)}:${hex.slice(4, 6)}:${hex.slice(6, 8)}`
}

/** At most 15 characters, as the kernel allows. */
export function tapName(name: string): string {
  return `bt${macAddress(name).replaceAll(':', '').slice(2)}`
}

/** QEMU doubles commas inside an option's value. */
const value = (text: string): string => text.replaceAll(',', ',,')
const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`
