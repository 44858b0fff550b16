/** Where the files of a QEMU guest are. */
import { InfraError } from '../../errors.ts'
import type { Directories } from '../../hosts/host.ts'
import type { GuestDisk } from '../hypervisor.ts'

export type GuestPaths = ReturnType<typeof guestPaths>

/** sun_path of unix(7), less its terminating zero. */
const maxSocketPathBytes = 107

export function guestPaths(directories: Directories, name: string) {
  const guests = `${directories.state}/guests`
  const running = `${directories.runtime}/guests`
  const state = `${guests}/${name}`
  const runtime = `${running}/${name}`
  return {
    /** The directories of all guests: they go with the last one. */
    parents: [guests, running],
    state,
    /** What the guest should be at its next start. Written first and removed last: what it names can be cleaned up. */
    definition: `${state}/definition.json`,
    /** The host ports of its last run: asked for again, so that its address stays. */
    ports: `${state}/ports.json`,
    /** Its memory, when it is saved. INVARIANT: while this file stands, the guest has not executed since. */
    saved: `${state}/${savedName}`,
    /** Saved memory that is being restored: worth nothing any more. */
    usedMemory: `${state}/${savedName}.used`,
    /** What it was when it was saved: memory fits no other machine. */
    savedDefinition: `${state}/saved.json`,
    /** Devices that were attached: they come back at each start. */
    extras: `${state}/devices.json`,
    /** Which snapshot it goes on from. */
    currentSnapshot: `${state}/snapshot.json`,
    consoleLog: `${state}/console.log`,
    disk: (index: number, { directory }: GuestDisk) =>
      directory === undefined ? `${state}/disk${index}.qcow2` : `${directory}/${name}-disk${index}.qcow2`,
    /** The variables of its UEFI. */
    nvram: `${state}/nvram.qcow2`,
    /** What cloud-init reads. */
    seed: `${state}/seed.iso`,
    runtime,
    /** QEMU removes it at an orderly end, so one without a process tells of a crash. */
    pid: `${runtime}/pid`,
    /** What runs now: the definition at the time of the start. */
    started: `${runtime}/started.json`,
    control: `${runtime}/qmp`,
    /** The port of an agent in the guest. */
    agent: `${runtime}/agent`,
    /** QEMU's chardev `pipe` opens PATH.in and PATH.out. */
    console: `${runtime}/console`,
    consoleInput: `${runtime}/console.in`,
    consoleOutput: `${runtime}/console.out`,
    lock: `${running}/.${name}.lock`,
    /** Of whoever makes a bridge or takes one away. */
    bridgesLock: `${running}/.bridges.lock`,
  } as const
}

export const savedName = 'saved'

/** @throws InfraError `invalid` when the guest's sockets could not be opened. */
export function checkPaths(paths: GuestPaths, guest: string): void {
  if (new TextEncoder().encode(paths.control).length <= maxSocketPathBytes) return
  throw new InfraError(
    'invalid',
    `define ${guest}: ${paths.control} is too long for a socket (at most ${maxSocketPathBytes} bytes)`,
    { subject: guest, hint: 'choose a shorter guest name or BATON_RUNTIME_DIR' },
  )
}
