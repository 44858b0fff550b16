/** Where the files of a guest on Xen are. */
import type { Directories } from '../../hosts/host.ts'
import type { GuestDisk } from '../hypervisor.ts'

/** xl, xendomains and xen-tools all look here. */
export const configDirectory = '/etc/xen'
/** What xendomains starts with the host (XENDOMAINS_AUTO). */
export const autoDirectory = '/etc/xen/auto'

export type GuestPaths = ReturnType<typeof guestPaths>

export function guestPaths(directories: Directories, name: string) {
  const guests = `${directories.state}/xen`
  const running = `${directories.runtime}/xen`
  const state = `${guests}/${name}`
  return {
    /** The directories of all guests: they go with the last one. */
    parents: [guests, running],
    state,
    /** What xl is given. Where it says something else than the definition, it was changed by hand, and counts. */
    config: `${configDirectory}/${name}.cfg`,
    auto: `${autoDirectory}/${name}.cfg`,
    /** What Baton knows beside: whose it is, its image, its disks. Written first and removed last. */
    definition: `${state}/definition.json`,
    /** Its memory, when it is saved. INVARIANT: while this file stands, the guest has not executed since. */
    saved: `${state}/${savedName}`,
    /** Saved memory that is being restored: worth nothing any more. */
    usedMemory: `${state}/${savedName}.used`,
    /** What it was when it was saved. */
    savedDefinition: `${state}/saved.json`,
    /** What was attached to it beside what it is. */
    attached: `${state}/attached.json`,
    disk: (index: number, { directory, volumeGroup }: GuestDisk): string =>
      volumeGroup !== undefined
        ? `/dev/${volumeGroup}/${name}-disk${index}`
        : directory === undefined
          ? `${state}/disk${index}.raw`
          : `${directory}/${name}-disk${index}.raw`,
    /** What cloud-init reads. */
    seed: `${state}/seed.iso`,
    /** What was started, and at which boot of the host: by it a guest that is gone is known to have crashed. */
    started: `${running}/${name}.json`,
    lock: `${running}/.${name}.lock`,
    /** xenconsoled's, with --log=guest; and that of xl's monitor, which says how the guest ended. */
    consoleLog: `/var/log/xen/console/guest-${name}.log`,
    monitorLog: `/var/log/xen/xl-${name}.log`,
  } as const
}

export const savedName = 'saved'
