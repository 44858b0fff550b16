/** IPVS rewrites what servers answer where the machine forwards it: without ip_forward their clients wait in vain. */
import { isLoopback } from '../../lvs/address.ts'
import { familyOf, serviceKey } from '../../lvs/service.ts'
import type { EngineReport, ServiceSnapshot } from '../engine.ts'
import type { IpvsKernel } from './kernel.ts'

const switches = {
  ipv4: { file: '/proc/sys/net/ipv4/ip_forward', name: 'net.ipv4.ip_forward' },
  ipv6: { file: '/proc/sys/net/ipv6/conf/all/forwarding', name: 'net.ipv6.conf.all.forwarding' },
} as const

/** Says of each service that it concerns when that begins and when it is over. Nothing is switched on. */
export class ForwardingWatch {
  readonly #kernel: Pick<IpvsKernel, 'read'>
  readonly #onReport: (report: EngineReport) => void
  #troubled: ReadonlySet<string> = new Set()

  constructor(kernel: Pick<IpvsKernel, 'read'>, onReport: (report: EngineReport) => void) {
    this.#kernel = kernel
    this.#onReport = onReport
  }

  /** At all services that stand. */
  async look(services: readonly ServiceSnapshot[]): Promise<void> {
    const troubled = new Set<string>()
    const isOff = { ipv4: await this.#isOff('ipv4'), ipv6: await this.#isOff('ipv6') }
    for (const { service, servers } of services) {
      const stuck = servers.find(
        ({ server: { forwarding, address } }) =>
          forwarding === 'masq' && !isLoopback(address) && isOff[familyOf(address)],
      )
      if (stuck === undefined) continue
      const subject = serviceKey(service.id)
      troubled.add(subject)
      const { name } = switches[familyOf(stuck.server.address)]
      const message = `${name} is 0: what servers of forwarding masq answer does not come back to clients; set it to 1`
      if (!this.#troubled.has(subject)) this.#onReport({ kind: 'trouble', subject, message })
    }
    for (const subject of this.#troubled)
      if (!troubled.has(subject)) this.#onReport({ kind: 'well', subject, message: 'answers come back by forwarding' })
    this.#troubled = troubled
  }

  async #isOff(family: keyof typeof switches): Promise<boolean> {
    return (await this.#kernel.read(switches[family].file))?.trim() === '0'
  }
}
