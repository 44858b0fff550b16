/** Bridges that Baton makes itself: with the first guest that is on one, until the last such guest is forgotten. */
import { createHash } from 'node:crypto'
import { tidying } from '../../deadline.ts'
import { InfraError } from '../../errors.ts'
import type { Host, RunResult } from '../../hosts/host.ts'
import type { GuestDefinition, GuestNetwork } from '../hypervisor.ts'
import { tapName } from './arguments.ts'
import { readDefinition } from './observe.ts'
import { type GuestPaths, guestPaths } from './paths.ts'
import { addTap } from './tap.ts'

type Signalled = { readonly signal: AbortSignal }
type Bridged = Extract<GuestNetwork, { kind: 'bridge' }>

/** ip(8) shows it, and by it we know our own. */
const alias = 'made by baton'

/** Gives the guest its tap on the bridge, which is made when it is to be ours and is not there. @throws InfraError */
export async function joinBridge(host: Host, paths: GuestPaths, network: Bridged, options: Signalled): Promise<void> {
  const { bridge, bridgeAddress } = network
  if (bridgeAddress === undefined) return addTap(host, tapName(paths), bridge, options)
  await withBridges(host, paths, options, async () => {
    await ensureBridge(host, bridge, bridgeAddress, options)
    await addTap(host, tapName(paths), bridge, options)
  })
}

/** After the guest has been forgotten: its bridge goes when it is ours and no other guest is meant to be on it. */
export async function leaveBridge(
  host: Host,
  { network }: GuestDefinition,
  paths: GuestPaths,
  options: Signalled,
): Promise<void> {
  if (network.kind !== 'bridge' || network.bridgeAddress === undefined) return
  const { bridge } = network
  await withBridges(host, paths, options, async () => {
    if ((await isNeeded(host, bridge, paths, options)) || !(await isOurs(host, bridge, options))) return
    await must(host, ['ip', 'link', 'delete', 'dev', bridge], `take away the bridge ${bridge}`, bridge, options)
  })
}

async function isNeeded(host: Host, bridge: string, paths: GuestPaths, options: Signalled): Promise<boolean> {
  const [guests] = paths.parents
  for (const name of (await host.list(guests, options)) ?? []) {
    const other = await readDefinition(host, guestPaths(host.directories, name), options)
    if (other?.network.kind === 'bridge' && other.network.bridge === bridge) return true
  }
  return false
}

/** Idempotent: whatever of it a killed run has left undone is done. */
async function ensureBridge(host: Host, bridge: string, address: string, options: Signalled): Promise<void> {
  const what = `make the bridge ${bridge}`
  const family = address.includes(':') ? 'ipv6' : 'ipv4'
  const description = await describe(host, bridge, options)
  if (description !== undefined && !description.includes(alias))
    throw new InfraError('invalid', `${what}: there is an interface of this name that Baton has not made`, {
      subject: bridge,
      hint: 'choose another name for the bridge, or leave out bridge-address to use it as it is',
    })
  // An address of its own: else the bridge takes that of its lowest port, and changes it with every guest.
  const add = ['ip', 'link', 'add', 'name', bridge, 'address', hardwareAddress(bridge), 'type', 'bridge']
  if (description === undefined) await must(host, add, what, bridge, options)
  for (const command of [
    ['ip', 'link', 'set', 'dev', bridge, 'alias', alias, 'up'],
    ['ip', 'address', 'replace', address, 'dev', bridge],
    // What guests answer may pass this machine on its way to clients; the setting goes with the bridge.
    ['sysctl', '-qw', `net.${family}.conf.${bridge.replaceAll('.', '/')}.forwarding=1`],
  ])
    await must(host, command, what, bridge, options)
}

/** Locally administered, the same at every start. */
function hardwareAddress(bridge: string): string {
  const digest = createHash('sha256').update(bridge).digest('hex')
  return ['02', ...[0, 2, 4, 6, 8].map((at) => digest.slice(at, at + 2))].join(':')
}

/** What ip(8) says of an interface; undefined when there is none of that name. */
async function describe(host: Host, name: string, options: Signalled): Promise<string | undefined> {
  const { code, stdout } = await host.run(['ip', '-details', 'link', 'show', 'dev', name], options)
  return code === 0 ? stdout : undefined
}

async function isOurs(host: Host, bridge: string, options: Signalled): Promise<boolean> {
  return (await describe(host, bridge, options))?.includes(alias) === true
}

async function withBridges(host: Host, paths: GuestPaths, options: Signalled, use: () => Promise<void>): Promise<void> {
  await using _lock = await host.lock(paths.bridgesLock, options)
  try {
    await use()
  } finally {
    await host.remove(paths.bridgesLock, tidying())
  }
}

async function must(
  host: Host,
  command: readonly string[],
  what: string,
  bridge: string,
  options: Signalled,
): Promise<RunResult> {
  const result = await host.run(command, options)
  if (result.code === 0) return result
  throw new InfraError('failed', `${what}: ${result.stderr.trim()}`, {
    subject: bridge,
    hint: 'making a bridge needs root and the bridge module; or use network: user',
  })
}
