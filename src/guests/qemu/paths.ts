/** Where the files of a QEMU guest are. */
import type { Directories } from '../../hosts/host.ts'

export type GuestPaths = ReturnType<typeof guestPaths>

export function guestPaths(directories: Directories, name: string) {
  const state = `${directories.state}/guests/${name}`
  const runtime = `${directories.runtime}/guests/${name}`
  return {
    state,
    /** What the guest should be at its next start. */
    definition: `${state}/definition.json`,
    /** The host ports of its last run: asked for again, so that its address stays. */
    ports: `${state}/ports.json`,
    /** Its memory, when it is saved. */
    saved: `${state}/saved`,
    consoleLog: `${state}/console.log`,
    disk: (index: number) => `${state}/disk${index}.qcow2`,
    runtime,
    /** QEMU removes it at an orderly end, so one without a process tells of a crash. */
    pid: `${runtime}/pid`,
    /** What runs now: the definition at the time of the start. */
    started: `${runtime}/started.json`,
    control: `${runtime}/qmp`,
    console: `${runtime}/console`,
    lock: `${directories.runtime}/guests/.${name}.lock`,
    consoleLock: `${runtime}/console.lock`,
  } as const
}
