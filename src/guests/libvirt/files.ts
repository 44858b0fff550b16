/** Where the files of a libvirt guest are that Baton makes: its disks, and what its console said. */
import type { Directories } from '../../hosts/host.ts'
import type { GuestDisk } from '../hypervisor.ts'

export type GuestFiles = ReturnType<typeof guestFiles>

export function guestFiles(directories: Directories, name: string) {
  const directory = `${directories.state}/libvirt`
  const disk = (index: number, { directory: elsewhere }: GuestDisk): string =>
    `${elsewhere ?? directory}/${name}-disk${index}.qcow2`
  return {
    /** Of all guests; QEMU runs as a user of its own and must be able to pass. */
    directory,
    disk,
    isDisk: (path: string): boolean =>
      /^-disk\d+\.qcow2$/.test(path.slice(path.lastIndexOf('/') + 1 + name.length)) && path.includes(`/${name}-disk`),
    /** What cloud-init reads. */
    seed: `${directory}/${name}-seed.iso`,
    consoleLog: `${directory}/${name}-console.log`,
    lock: `${directories.state}/.${name}.libvirt-lock`,
  } as const
}
