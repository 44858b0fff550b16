/** The lab's Dom0 with what its guests are made from, and what is asked of them. */
import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { directorAccess, type Site } from '../../src/cluster/site.ts'
import type { GuestDefinition, GuestState, Hypervisor } from '../../src/guests/hypervisor.ts'
import { imageStore } from '../../src/guests/images/store.ts'
import { openHypervisor } from '../../src/guests/open.ts'
import { localHost } from '../../src/hosts/local/local.ts'
import type { Dom0 } from './dom0.ts'

export type XenWorld = {
  readonly dom0: Pick<Dom0, 'host' | 'ports'>
  readonly hypervisor: Hypervisor
  readonly site: Site
  /** A guest of the image `tiny`, on xenbr0 with this address of the lab. */
  readonly definition: (name: string, address?: string, change?: Partial<GuestDefinition>) => GuestDefinition
  /** Runs a command in Dom0 that must succeed; resolves to its output. */
  readonly must: (...command: readonly string[]) => Promise<string>
  /** What a guest with this address answers to a request for /, once it answers. */
  readonly answerOf: (address: string) => Promise<string>
  readonly find: (name: string) => Promise<GuestState | undefined>
}

/** One operation: the CPUs are emulated, and shared with the rest of the house. */
const patienceMs = 240_000
export const soon = (): { signal: AbortSignal } => ({ signal: AbortSignal.timeout(patienceMs) })

export const guestKernel = '/srv/guests/vmlinuz'
export const guestRamdisk = '/srv/guests/initrd.gz'

export async function openXenWorld(dom0: XenWorld['dom0']): Promise<XenWorld> {
  const { host, ports } = dom0
  const { digest, kernel, initrd, cmdline } = await imageStore(localHost()).build('tiny', { kind: 'tiny' }, soon())
  if (kernel === undefined || initrd === undefined) throw new Error('the image tiny has no kernel')
  await host.writeFile(guestKernel, await readFile(kernel), soon())
  await host.writeFile(guestRamdisk, await readFile(initrd), soon())
  const hypervisor = openHypervisor('xen', host)
  return {
    dom0,
    hypervisor,
    site: {
      name: host.name,
      isHere: false,
      host,
      hypervisor,
      images: imageStore(host),
      director: directorAccess(host, []),
    },
    definition: (name, address, change = {}) => ({
      name,
      memoryBytes: 112 * 1024 ** 2,
      vcpus: 1,
      image: digest,
      boot: {
        kind: 'kernel',
        kernel: guestKernel,
        initrd: guestRamdisk,
        cmdline: `${cmdline} baton.name=${name}${address === undefined ? '' : ` ip=${address}::10.0.2.2:255.255.255.0:${name}:eth0:off`}`,
      },
      disks: [],
      network: { kind: 'bridge', bridge: 'xenbr0', ...(address === undefined ? {} : { address: `${address}/24` }) },
      autostart: false,
      ...change,
    }),
    async must(...command) {
      const { code, stdout, stderr } = await host.run(command, soon())
      if (code !== 0) throw new Error(`${command.join(' ')}: ${code}: ${stderr}`)
      return stdout
    },
    async answerOf(address) {
      const { signal } = soon()
      for (;;) {
        const answer = await fetch(`http://127.0.0.1:${ports.get(address)}/`, { signal: AbortSignal.timeout(10_000) })
          .then((response) => response.text())
          .catch(() => undefined)
        if (answer !== undefined) return answer
        await sleep(200, undefined, { signal })
      }
    },
    find: async (name) => (await hypervisor.list(soon())).find(({ definition }) => definition.name === name),
  }
}
