/** What virtual routers of a process that was killed have left on this machine, where none takes their place. */
import { Links } from '../os/links.ts'
import { AcceptMode } from './accept-mode.ts'
import { mark } from './mark.ts'
import { isVirtualInterface } from './virtual-interface.ts'

/** Whether there was anything. @throws NetlinkError for what cannot be taken away. */
export async function removeLeftBehind(): Promise<boolean> {
  using links = await Links.open(() => undefined)
  await using _noRules = new AcceptMode()
  const addresses = links.addresses().filter((one) => one.mark === mark)
  for (const address of addresses) links.removeAddress(address)
  const devices = links.all().filter(({ name }) => isVirtualInterface(name))
  for (const { index } of devices) links.removeLink(index)
  return addresses.length + devices.length > 0
}
