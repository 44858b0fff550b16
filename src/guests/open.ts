/** From a hypervisor's name to the thing itself, on a host. */
import { createHash } from 'node:crypto'
import type { Host } from '../hosts/host.ts'
import { fakeHypervisor } from './fake/fake.ts'
import { fileStore } from './fake/store.ts'
import type { Hypervisor, HypervisorName } from './hypervisor.ts'
import { libvirtHypervisor } from './libvirt/libvirt.ts'
import { qemuHypervisor } from './qemu/qemu.ts'
import { xenHypervisor } from './xen/xen.ts'

/** Does not touch the host yet. */
export function openHypervisor(name: HypervisorName, host: Host): Hypervisor {
  switch (name) {
    case 'fake':
      return fakeHypervisor({ store: fileStore(host), address: pretendedAddress(host.name) })
    case 'qemu':
      return qemuHypervisor(host)
    case 'libvirt':
      return libvirtHypervisor(host)
    case 'xen':
      return xenHypervisor(host)
  }
}

/** Pretended hosts share this machine's loopback network: each has an address of its own there, by its name. */
function pretendedAddress(name: string): string {
  const [second = 0, third = 0, fourth = 0] = createHash('sha256').update(name).digest()
  return `127.${second}.${third}.${1 + (fourth % 254)}`
}
