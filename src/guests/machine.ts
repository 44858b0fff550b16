/**
 * What a guest's machine can do beside its life cycle: snapshots, devices that come and go, other sizes, a picture of its
 * screen, a move to another host. Which of it a hypervisor can is a matter of which methods it has.
 */
import { InfraError } from '../errors.ts'

type CallOptions = { readonly signal: AbortSignal }

export type Snapshot = {
  readonly name: string
  /** Seconds since 1970. */
  readonly takenAt: number
  /** Whether the guest's memory is in it, so that it goes on from there. */
  readonly hasMemory: boolean
  /** The next state is told apart from this one. */
  readonly isCurrent: boolean
}

export type DiskDevice = {
  readonly kind: 'disk'
  /** A file or block device on the host. */
  readonly path: string
  readonly format: 'qcow2' | 'raw'
  readonly isReadOnly: boolean
}

export type NetworkDevice =
  | { readonly kind: 'network'; readonly bridge: string }
  /** A network of libvirt's own. */
  | { readonly kind: 'network'; readonly network: string }
  /** QEMU's user network: the way out, no way in. */
  | { readonly kind: 'network'; readonly user: true }

export type MachineDevice = DiskDevice | NetworkDevice

/** An attached device by the name that takes it away again: a disk's path, an interface's MAC address. */
export type AttachedDevice = {
  readonly kind: MachineDevice['kind']
  readonly name: string
  /** What the guest calls it, where that is known: `vdb`. */
  readonly target?: string
}

export type MachineSize = { readonly memoryBytes?: number; readonly vcpus?: number }
/** `now`, also at later starts; `next-start`: the guest runs and cannot have it before it is started anew. */
export type Takes = 'now' | 'next-start'

export type Picture = { readonly type: string; readonly bytes: Uint8Array }

/** Each is refused like the methods of `Hypervisor`: `not-found`, `invalid` by the guest's state, `unsupported` with why. */
export interface GuestMachine {
  /** The oldest first. */
  snapshots(name: string, options: CallOptions): Promise<readonly Snapshot[]>
  /** Of disks, and of the memory of a guest that runs. @throws InfraError `already-exists` */
  takeSnapshot(name: string, snapshot: string, options: CallOptions): Promise<void>
  /** The guest is as it was then: it runs when it ran. What it became since is lost. */
  revertSnapshot(name: string, snapshot: string, options: CallOptions): Promise<void>
  deleteSnapshot(name: string, snapshot: string, options: CallOptions): Promise<void>
  /** Devices beside those of its definition. */
  devices(name: string, options: CallOptions): Promise<readonly AttachedDevice[]>
  /** At once when the guest runs, and at later starts. */
  attach(name: string, device: MachineDevice, options: CallOptions): Promise<AttachedDevice>
  /** `device`: the `name` of an attached one. Resolves once a running guest has let it go. */
  detach(name: string, device: string, options: CallOptions): Promise<void>
  resize(name: string, size: MachineSize, options: CallOptions): Promise<Takes>
  screenshot(name: string, options: CallOptions): Promise<Picture>
  /** Moves it as it runs; it is forgotten here. `to`: how the hypervisor of this host reaches the other one. */
  migrate(name: string, to: string, options: CallOptions): Promise<void>
  /** The files in which a guest of this definition has its own disks, in their order, whether they are there or not. */
  placesOfDisks(definition: {
    readonly name: string
    readonly disks: readonly { readonly directory?: string }[]
  }): readonly string[]
  /** The file that is its seed, when it has one. */
  placeOfSeed(name: string): string
}

export type MachineOperation = keyof GuestMachine

const words: Readonly<Record<MachineOperation, string>> = {
  snapshots: 'no snapshots',
  takeSnapshot: 'no snapshots',
  revertSnapshot: 'no snapshots',
  deleteSnapshot: 'no snapshots',
  devices: 'no devices that come and go',
  attach: 'no devices that come and go',
  detach: 'no devices that come and go',
  resize: 'no other size for a guest that is defined',
  screenshot: 'no picture of a screen',
  migrate: 'no way to move a guest',
  placesOfDisks: 'no disks in files that could be copied',
  placeOfSeed: 'no seeds in files',
}

/** What can be done instead. */
const instead: Readonly<Record<MachineOperation, string>> = {
  snapshots: '`baton save` keeps the memory of a guest, a copy of its disk the rest',
  takeSnapshot: '`baton save` keeps the memory of a guest, a copy of its disk the rest',
  revertSnapshot: '`baton save` keeps the memory of a guest, a copy of its disk the rest',
  deleteSnapshot: '`baton save` keeps the memory of a guest, a copy of its disk the rest',
  devices: 'say it in the spec, and let `baton up` restart the guest',
  attach: 'say it in the spec, and let `baton up` restart the guest',
  detach: 'say it in the spec, and let `baton up` restart the guest',
  resize: 'say it in the spec, and let `baton up` restart the guest',
  screenshot: '`baton console --log` shows what its serial line said',
  migrate: 'give the guest another host in the spec: `baton up` makes it there and takes this one away',
  placesOfDisks: 'raise the count of the pool in the spec: each guest has a disk of its own',
  placeOfSeed: 'raise the count of the pool in the spec: each guest has a seed of its own',
}

/** @throws InfraError `unsupported` that says what can be done instead. */
export function machineOf<O extends MachineOperation>(
  { machine, name }: { readonly name: string; readonly machine?: Partial<GuestMachine> },
  operation: O,
): Pick<GuestMachine, O> {
  const method = machine?.[operation]
  if (method === undefined)
    throw new InfraError('unsupported', `the hypervisor ${name} has ${words[operation]}`, {
      subject: name,
      hint: instead[operation],
    })
  return { [operation]: method } as unknown as Pick<GuestMachine, O>
}

/** Names become file names and words of command lines. */
export function checkSnapshotName(guest: string, snapshot: string): void {
  if (/^[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}$/.test(snapshot)) return
  throw new InfraError('invalid', `snapshot ${snapshot} of ${guest}: a name has letters, digits, dots and dashes`, {
    subject: guest,
  })
}
