/** What QEMU can do with a guest's machine, beside its life cycle. */
import type { Host } from '../../../hosts/host.ts'
import type { CallOptions } from '../../hypervisor.ts'
import { mustAct } from '../../lifecycle.ts'
import type { GuestMachine } from '../../machine.ts'
import type { Known } from '../observe.ts'
import { guestPaths } from '../paths.ts'
import { attachExtra, detachExtra } from './devices.ts'
import { nameOf, readExtras } from './extras.ts'
import { resizeGuest } from './resize.ts'
import { takePicture } from './screenshot.ts'
import { deleteSnapshot, listSnapshots, revertSnapshot, snapshotNamed, takeSnapshot } from './snapshots.ts'

export type Standing = {
  /** As it stands. @throws InfraError `not-found` */
  look(name: string, options: CallOptions): Promise<Known>
  /** Alone with it. */
  hold<T>(name: string, options: CallOptions, use: (guest: Known) => Promise<T>): Promise<T>
  /** Its process, by who holds it. */
  start(guest: Known, options: CallOptions): Promise<void>
  end(guest: Known, options: CallOptions): Promise<void>
}

export function qemuMachine(host: Host, standing: Standing): Omit<GuestMachine, 'migrate'> {
  return {
    snapshots: async (name, options) => listSnapshots(host, await standing.look(name, options), options),
    takeSnapshot: (name, snapshot, options) =>
      standing.hold(name, options, (guest) => takeSnapshot(host, notSaved(guest), snapshot, options)),
    revertSnapshot: (name, snapshot, options) =>
      standing.hold(name, options, async (guest) => {
        const found = await snapshotNamed(host, notSaved(guest), snapshot, options)
        const power = { start: () => standing.start(guest, options), end: () => standing.end(guest, options) }
        await revertSnapshot(host, guest, found, power, options)
      }),
    deleteSnapshot: (name, snapshot, options) =>
      standing.hold(name, options, async (guest) => {
        await snapshotNamed(host, notSaved(guest), snapshot, options)
        await deleteSnapshot(host, guest, snapshot, options)
      }),
    async devices(name, options) {
      const { paths } = await standing.look(name, options)
      return (await readExtras(host, paths, options)).map((extra) => ({ kind: extra.kind, name: nameOf(extra) }))
    },
    attach: (name, device, options) =>
      standing.hold(name, options, (guest) => {
        mustAct('change', name, guest.state)
        return attachExtra(host, guest, device, options)
      }),
    detach: (name, device, options) =>
      standing.hold(name, options, (guest) => {
        mustAct('change', name, guest.state)
        return detachExtra(host, guest, device, options)
      }),
    resize: (name, size, options) =>
      standing.hold(name, options, (guest) => {
        mustAct('change', name, guest.state)
        return resizeGuest(host, guest, size, options)
      }),
    placesOfDisks({ name, disks }) {
      const paths = guestPaths(host.directories, name)
      return disks.map((disk, index) => paths.disk(index, disk))
    },
    placeOfSeed: (name) => guestPaths(host.directories, name).seed,
    async screenshot(name, options) {
      const guest = await standing.look(name, options)
      mustAct('screenshot', name, guest.state)
      return takePicture(host, guest, options)
    },
  }
}

/** Saved memory fits no other disks than those it was saved with. */
function notSaved(guest: Known): Known {
  if (guest.state === 'saved') mustAct('change', guest.definition.name, guest.state)
  return guest
}
