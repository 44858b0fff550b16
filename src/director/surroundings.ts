/** What the kernel's answers to edits depend on beside the table: the machine's addresses and interfaces. */
import { readdir, readFile } from 'node:fs/promises'
import { networkInterfaces } from 'node:os'
import { type Cidr, parseAddress, parseCidr } from '../lvs/address.ts'
import type { EditSurroundings } from '../lvs/edit-rules.ts'

export type Surroundings = Omit<EditSurroundings, 'schedulers'>

const folder = '/sys/class/net'

/** Interfaces are looked at only when they are asked about. */
export async function machineSurroundings(withInterfaces: boolean): Promise<Surroundings> {
  const addresses = Object.values(networkInterfaces()).flatMap((own) =>
    (own ?? []).flatMap(({ address, cidr }): Cidr[] => {
      const [, prefix] = (cidr ?? '').split('/')
      const canonical = parseAddress(address.replace(/%.*$/, ''))
      const parsed = canonical === undefined ? undefined : parseCidr(`${canonical}/${prefix}`)
      return parsed === undefined ? [] : [parsed]
    }),
  )
  const names = withInterfaces ? await readdir(folder) : []
  const interfaces = await Promise.all(names.map(async (name) => [name, await mtuOf(name)] as const))
  return { addresses, interfaces: new Map(interfaces) }
}

/** 0 for one that went away meanwhile. */
async function mtuOf(name: string): Promise<number> {
  return Number(await readFile(`${folder}/${name}/mtu`, 'utf8').catch(() => '0'))
}
