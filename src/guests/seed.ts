/**
 * The seed that cloud-init finds in a guest (its data source NoCloud): a small read-only disc with the label `cidata`. Its
 * content is on the disc alone: what a hypervisor records and tells of a guest has its digest.
 */
import { createHash } from 'node:crypto'
import { encodeDisc, findOnDisc } from '../wire/iso9660.ts'
import type { GuestDefinition, GuestSeed, SeedContent } from './hypervisor.ts'

export function guestSeed(content: SeedContent): GuestSeed {
  return { digest: digestOf([content.userData, content.metaData, content.networkConfig]), content }
}

/** What may be written down where others read it: user data has passwords and keys. */
export function withoutSeedContent(definition: GuestDefinition): GuestDefinition {
  const { seed } = definition
  return seed?.content === undefined ? definition : { ...definition, seed: { digest: seed.digest } }
}

/** The seed of a guest whose first card has this address on the wire. The same content gives the same bytes. */
export function seedDisc(
  { name, network }: Pick<GuestDefinition, 'name' | 'network'>,
  { userData, metaData = {}, networkConfig }: SeedContent,
  mac: string,
): Uint8Array {
  const ways = networkConfig ?? fixedNetwork(network, mac)
  // A new id is a new instance: cloud-init does what it does at a first boot once more.
  const id = `${name}-${digestOf([userData, metaData, ways]).slice(0, 12)}`
  const meta = { 'instance-id': id, 'local-hostname': name, ...metaData }
  const encode = (name: string, text: string) => ({ name, content: new TextEncoder().encode(text) })
  return encodeDisc('cidata', [
    encode('meta-data', mapText(meta)),
    encode('user-data', userData ?? '#cloud-config\n{}\n'),
    ...(ways === undefined ? [] : [encode('network-config', ways)]),
  ])
}

/** What stands on a guest's seed, without what was only that guest's. @throws WireError for what is no seed */
export async function readSeed(disc: Uint8Array): Promise<SeedContent> {
  const text = async (name: string): Promise<string | undefined> => {
    const found = await findOnDisc(async (offset, length) => disc.subarray(offset, offset + length), name)
    return found && new TextDecoder().decode(disc.subarray(found.offset, found.offset + found.size))
  }
  const meta = JSON.parse((await text('meta-data')) ?? '{}') as Record<string, unknown>
  const { 'instance-id': _id, 'local-hostname': _name, ...metaData } = meta
  const [userData, networkConfig] = [await text('user-data'), await text('network-config')]
  return {
    ...(userData === undefined ? {} : { userData }),
    ...(Object.keys(metaData).length === 0 ? {} : { metaData }),
    ...(networkConfig === undefined ? {} : { networkConfig }),
  }
}

/** Version 2 of cloud-init's network configuration. The card is found by its address: its name differs between systems. */
function fixedNetwork(network: GuestDefinition['network'], mac: string): string | undefined {
  if (network.kind !== 'bridge' || network.address === undefined) return undefined
  const { address, gateway } = network
  const routes =
    gateway === undefined ? {} : { routes: [{ to: gateway.includes(':') ? '::/0' : '0.0.0.0/0', via: gateway }] }
  return mapText({ version: 2, ethernets: { first: { match: { macaddress: mac }, addresses: [address], ...routes } } })
}

/** JSON is YAML in every version of it, whatever the values look like. */
const mapText = (map: Readonly<Record<string, unknown>>): string => `${JSON.stringify(map)}\n`

function digestOf(parts: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32)
}
