/** The machine of a guest of libvirt: each operation on the guest as it stands. */
import type { Host } from '../../../hosts/host.ts'
import type { CallOptions } from '../../hypervisor.ts'
import { mustAct } from '../../lifecycle.ts'
import type { GuestMachine } from '../../machine.ts'
import type { Connection } from '../connection.ts'
import { guestFiles } from '../files.ts'
import type { Known } from '../observe.ts'
import { attachDevice, attachedDevices, detachDevice } from './devices.ts'
import { migrateGuest } from './migrate.ts'
import { resizeGuest } from './resize.ts'
import { takePicture } from './screenshot.ts'
import { deleteSnapshot, listSnapshots, revertSnapshot, takeSnapshot } from './snapshots.ts'

export type Standing = (
  name: string,
  options: CallOptions,
) => Promise<{ readonly connection: Connection; readonly guest: Known }>

export function libvirtMachine(host: Host, standing: Standing): GuestMachine {
  return {
    placesOfDisks({ name, disks }) {
      const files = guestFiles(host.directories, name)
      return disks.map((disk, index) => files.disk(index, disk))
    },
    placeOfSeed: (name) => guestFiles(host.directories, name).seed,
    async snapshots(name, options) {
      const { connection, guest } = await standing(name, options)
      return listSnapshots(connection, guest, options)
    },
    async takeSnapshot(name, snapshot, options) {
      const { connection, guest } = await standing(name, options)
      await takeSnapshot(connection, guest, snapshot, options)
    },
    async revertSnapshot(name, snapshot, options) {
      const { connection, guest } = await standing(name, options)
      await revertSnapshot(connection, guest, snapshot, options)
    },
    async deleteSnapshot(name, snapshot, options) {
      const { connection, guest } = await standing(name, options)
      await deleteSnapshot(connection, guest, snapshot, options)
    },
    async devices(name, options) {
      const { connection, guest } = await standing(name, options)
      return attachedDevices(connection, guest, guestFiles(host.directories, name), options)
    },
    async attach(name, device, options) {
      const { connection, guest } = await standing(name, options)
      return attachDevice(connection, guest, device, options)
    },
    async detach(name, device, options) {
      const { connection, guest } = await standing(name, options)
      await detachDevice(connection, guest, device, options)
    },
    async resize(name, size, options) {
      const { connection, guest } = await standing(name, options)
      return resizeGuest(connection, guest, size, options)
    },
    async screenshot(name, options) {
      const { connection, guest } = await standing(name, options)
      mustAct('screenshot', name, guest.state)
      return takePicture(connection, guest, options)
    },
    async migrate(name, to, options) {
      const { connection, guest } = await standing(name, options)
      mustAct('migrate', name, guest.state)
      await migrateGuest(connection, guest, to, options)
    },
  }
}
