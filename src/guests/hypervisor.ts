/** The Hypervisor port: what runs guests on a host. */
import type { Duplex } from 'node:stream'
import type { Protocol } from '../lvs/service.ts'
import type { GuestMachine } from './machine.ts'

export type HypervisorName = 'qemu' | 'libvirt' | 'xen' | 'fake'

/** A file that an image gave: made once per content, shared by all guests that boot from it. */
export type GuestBoot =
  | { readonly kind: 'kernel'; readonly kernel: string; readonly initrd?: string; readonly cmdline: string }
  /** From its first disk. `disc`: a disc (ISO) in its drive, from which it boots while nothing on the disk does. */
  | { readonly kind: 'disk'; readonly disc?: string }

export type GuestDisk = {
  /** The guest's own disk is a copy-on-write overlay over this image file; undefined: an empty disk. */
  readonly base?: { readonly path: string; readonly format: 'qcow2' | 'raw' }
  /** Virtual size in bytes; undefined: the base's own. */
  readonly sizeBytes?: number
  /** The directory on the host that holds the disk; undefined: the hypervisor's own place. */
  readonly directory?: string
  /** The LVM volume group that holds it, instead of a directory. */
  readonly volumeGroup?: string
  /** Swap space from end to end, with the label `swap`; it has no base. */
  readonly isSwap?: true
}

export type GuestNetwork =
  /** No privilege needed. Guest ports are reached through ports on the host's loopback that the hypervisor picks. */
  | { readonly kind: 'user'; readonly forwards: readonly { readonly protocol: 'tcp' | 'udp'; readonly port: number }[] }
  /** A network card on a bridge. */
  | {
      readonly kind: 'bridge'
      readonly bridge: string
      /** The bridge is made with the first guest, with this address (CIDR) of the host, and goes with the last; undefined: it is there. */
      readonly bridgeAddress?: string
      /** CIDR, when fixed; DHCP otherwise. */
      readonly address?: string
      readonly gateway?: string
    }

/** Whose a guest is. Guests without a mark were made by hand and are never touched by `up` or `down`. */
export type GuestMark = { readonly cluster: string; readonly pool: string }

/** What cloud-init finds, in its own words. */
export type SeedContent = {
  /** `#cloud-config`, a script with `#!`, or another of cloud-init's formats. */
  readonly userData?: string
  /** Beside the id and the name that each guest is given. */
  readonly metaData?: Readonly<Record<string, unknown>>
  /** Left out: made from the guest's fixed address, where it has one. */
  readonly networkConfig?: string
}

export type GuestSeed = {
  /** Of the content: another one is another seed. */
  readonly digest: string
  /** Left out where it is not known: the disc that is there stays. */
  readonly content?: SeedContent
}

/** What of the machine is chosen; what is left out is the hypervisor's usual. */
export type GuestHardware = {
  /** Left out: BIOS. */
  readonly firmware?: 'uefi'
  /** libvirt's words: `host-passthrough`, `host-model`, `maximum`, or the name of a model. */
  readonly cpu?: string
  /** A screen that is reached over the network. */
  readonly graphics?: GuestGraphics
}

export type GuestGraphics = {
  readonly type: 'vnc' | 'spice'
  readonly listen: string
  /** Left out: the hypervisor chooses one. */
  readonly port?: number
}

/** All that makes a guest what it is. Plain data, compared field by field by the planner. */
export type GuestDefinition = {
  readonly name: string
  readonly mark?: GuestMark
  readonly memoryBytes: number
  readonly vcpus: number
  readonly hardware?: GuestHardware
  /** The content digest of the image it was made from: another digest means another guest. */
  readonly image: string
  readonly boot: GuestBoot
  readonly disks: readonly GuestDisk[]
  /** The disc on which cloud-init finds what to do, after its disks. */
  readonly seed?: GuestSeed
  readonly network: GuestNetwork
  readonly autostart: boolean
}

/** `crashed`: defined and started, its process is gone without being asked to go. `saved`: its memory is in a file. */
export type GuestRunState = 'running' | 'paused' | 'stopped' | 'crashed' | 'saved'

/** Where a port of the guest is reached from its host. */
export type GuestReach = {
  readonly protocol: Protocol
  readonly guestPort: number
  readonly address: string
  readonly port: number
}

export type GuestState = {
  /** What runs; while it does not run, what would start. */
  readonly definition: GuestDefinition
  readonly state: GuestRunState
  /** The process or domain id while it runs. */
  readonly id?: number
  /** Its own address on a bridge; on a user network none. undefined while not known. */
  readonly address?: string
  /** All that somebody knows, the likeliest first: `address`, and while it changes the one before it. */
  readonly addresses?: readonly string[]
  /** Known ways in; a port that is not listed is not reachable (yet). */
  readonly reach: readonly GuestReach[]
  /** What executes it, e.g. `kvm` or `tcg`. */
  readonly acceleration?: string
}

export type GuestStatistics = {
  /** CPU time used since the guest started, seconds. */
  readonly cpuSeconds: number
  /** Host memory in use. */
  readonly residentBytes: number
  readonly disk: { readonly readBytes: number; readonly writtenBytes: number }
  /** undefined where the hypervisor cannot count: QEMU's user network. */
  readonly network?: { readonly receivedBytes: number; readonly sentBytes: number }
}

export type GuestEvent = { readonly guest: string; readonly state: GuestRunState | 'removed' }

export type HypervisorInfo = {
  readonly name: HypervisorName
  readonly version: string
  /** Whether guests run on the CPU itself, and why not. */
  readonly acceleration: { readonly kind: string; readonly reason: string }
  readonly networks: readonly GuestNetwork['kind'][]
}

export type CallOptions = { readonly signal: AbortSignal }

/**
 * Every method is idempotent: asking for what already is succeeds. @throws InfraError `not-found` for an unknown guest,
 * `invalid` when the guest's state does not allow it, `missing-tool` when the hypervisor is not installed.
 */
export interface Hypervisor extends AsyncDisposable {
  readonly name: HypervisorName
  info(options: CallOptions): Promise<HypervisorInfo>
  /** All guests of this hypervisor, sorted by name, as the host has them now. */
  list(options: CallOptions): Promise<readonly GuestState[]>
  /** Records the guest and makes its disks; keeps a disk that is there. A running guest takes up forwards at once, the rest at its next start. */
  define(definition: GuestDefinition, options: CallOptions): Promise<void>
  /** Ends and forgets the guest with its disks, saved state, sockets and logs. Unknown guests are gone already: succeeds. */
  undefine(name: string, options: CallOptions): Promise<void>
  /** Starts it, or restores it when it is saved, or resumes it when it is paused. Resolves when it executes. */
  start(name: string, options: CallOptions): Promise<void>
  /** Asks the guest to power off and waits until it has; the caller's deadline ends the wait with `timeout`. */
  shutdown(name: string, options: CallOptions): Promise<void>
  /** Ends it at once; saved memory is dropped and a crash acknowledged: it is `stopped` then. */
  destroy(name: string, options: CallOptions): Promise<void>
  reboot(name: string, options: CallOptions): Promise<void>
  pause(name: string, options: CallOptions): Promise<void>
  unpause(name: string, options: CallOptions): Promise<void>
  /** Whether it starts with its host, from now on. Who starts it is the hypervisor's own: docs/autostart.md. */
  autostart(name: string, isWanted: boolean, options: CallOptions): Promise<void>
  /** Stops it with its memory kept; `start` goes on from there. */
  save(name: string, options: CallOptions): Promise<void>
  /** The serial console. One at a time: @throws InfraError `busy` while another has it. */
  console(name: string, options: CallOptions): Promise<Duplex>
  /** What the console said so far, the newest `maxBytes` of it. */
  consoleLog(name: string, options: CallOptions & { readonly maxBytes: number }): Promise<string>
  statistics(name: string, options: CallOptions): Promise<GuestStatistics>
  /** State changes from now on, coalesced by guest; ends with the signal. */
  events(options: CallOptions): AsyncIterable<GuestEvent>
  /** What it can do with a guest's machine beside; ask by `machineOf`. */
  readonly machine?: Partial<GuestMachine>
}
