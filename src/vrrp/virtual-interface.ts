/** Interfaces with a virtual router's own Ethernet address (macvlan), on top of the one that it runs on. */
import { existsSync, writeFileSync } from 'node:fs'
import { describeError } from '../errors.ts'
import type { Links } from '../os/links.ts'
import { macText } from '../wire/ethernet.ts'
import type { Troubles } from './ground.ts'
import type { RouterConfig } from './machine/config.ts'
import type { RouterSpec } from './spec.ts'

const ownNames = /^baton[46]\.[0-9]+$/u

export function isVirtualInterface(name: string): boolean {
  return ownNames.test(name)
}

/** RFC 9568 §7.3. */
function virtualMac({ id, family }: RouterConfig): string {
  return macText(Uint8Array.of(0, 0, 0x5e, 0, family === 'ipv6' ? 2 : 1, id))
}

export function virtualName({ config: { id, family } }: RouterSpec): string {
  return `baton${family === 'ipv6' ? 6 : 4}.${id}`
}

/** Not up yet: its settings come first. */
export function makeVirtual(links: Links, router: RouterSpec): Troubles {
  const parent = links.byName(router.config.paths[0].interface)
  if (parent === undefined) return [`there is no interface ${router.config.paths[0].interface}`]
  return attempt(() => links.addMacvlan(virtualName(router), parent, virtualMac(router.config)))
}

/** Settings first: none of its own addresses may be seen, and answers come from the interface that has the address. */
export function beginVirtual(links: Links, router: RouterSpec): Troubles {
  const { config } = router
  const name = virtualName(router)
  const link = links.byName(name)
  if (link === undefined) return []
  return attempt(() => {
    // Made from the Ethernet address, a link-local one would be the same on every router.
    if (hasIpv6()) setting(`ipv6/conf/${name}/addr_gen_mode`, '1')
    if (config.family === 'ipv4') {
      // Packets may come here whose way back is the interface below.
      setting(`ipv4/conf/${name}/rp_filter`, '2')
      setting(`ipv4/conf/${name}/arp_ignore`, '1')
      setting(`ipv4/conf/${config.paths[0].interface}/arp_ignore`, '1')
    }
    links.setUp(link.index)
  })
}

/** Without IPv6 there are none of its. */
function hasIpv6(): boolean {
  return existsSync('/proc/sys/net/ipv6')
}

function setting(name: string, value: string): void {
  writeFileSync(`/proc/sys/net/${name}`, value)
}

/** Runs it, and gives back why it could not be done. */
export function attempt(run: () => unknown): string[] {
  try {
    run()
    return []
  } catch (error) {
    return [describeError(error)]
  }
}
