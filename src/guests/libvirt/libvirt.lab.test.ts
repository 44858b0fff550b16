import { afterAll, beforeAll } from 'vitest'
import { openGuestWorld, patienceMs, request, soon, type TinyGuest, tinyGuests } from '../../../labs/guests/world.ts'
import { type LibvirtDaemon, startLibvirt } from '../../../labs/libvirt/daemon.ts'
import { hypervisorContract } from '../hypervisor.contract.ts'
import { readyMark } from '../images/tiny-init.ts'
import { openHypervisor } from '../open.ts'

let tiny: TinyGuest
let daemon: LibvirtDaemon
beforeAll(async () => {
  tiny = await tinyGuests()
  daemon = await startLibvirt()
  process.env['LIBVIRT_DEFAULT_URI'] = daemon.uri
})
afterAll(async () => {
  delete process.env['LIBVIRT_DEFAULT_URI']
  await daemon[Symbol.asyncDispose]()
})
const definition: TinyGuest = (name, change) => tiny(name, change)

hypervisorContract('libvirt', async () => {
  const world = await openGuestWorld('libvirt')
  const { host, hypervisor } = world
  const names = async (): Promise<string[]> => (await hypervisor.list(soon())).map((guest) => guest.definition.name)
  return {
    hypervisor,
    definition,
    request,
    patienceMs,
    leftovers: async () => [...(await world.leftovers()), ...(await names())],
    bootMark: readyMark,
    another: () => openHypervisor('libvirt', host),
    kill: async (name) => void process.kill(await daemon.pidOf(name), 'SIGKILL'),
    async powerOff(name) {
      const console = await hypervisor.console(name, soon())
      console.write('\rpoweroff -f\r')
      console.resume()
      console.once('end', () => console.destroy())
    },
    async [Symbol.asyncDispose]() {
      for (const name of await names()) await hypervisor.undefine(name, soon())
      await hypervisor[Symbol.asyncDispose]()
      await world[Symbol.asyncDispose]()
    },
  }
})
