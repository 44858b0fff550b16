/** What is known of the guests of a Xen host: their configurations in files, their state from Xen itself. */
import { isInfraError } from '../../errors.ts'
import type { Domain } from '../../formats/xl/list.ts'
import type { XlSettings } from '../../formats/xl-cfg/settings.ts'
import type { Host } from '../../hosts/host.ts'
import { parseAddress } from '../../lvs/address.ts'
import { type HostAddresses, hostAddresses, knownAddresses } from '../addresses.ts'
import type { CallOptions, GuestDefinition, GuestRunState, GuestState } from '../hypervisor.ts'
import { isGuestName, standingDefinition, unknownGuest } from '../lifecycle.ts'
import { macOfGuest } from '../mac-address.ts'
import { readJson } from '../records.ts'
import { definitionFrom, foreignDefinition, macOf, settingsIn } from './config.ts'
import { autoDirectory, configDirectory, type GuestPaths, guestPaths, savedName } from './paths.ts'
import { listDomains } from './xl.ts'

/** One guest as it stands: what an operation decides by. */
export type Known = {
  readonly definition: GuestDefinition
  readonly paths: GuestPaths
  readonly state: GuestRunState
  /** What Xen has of it: while it runs, and a moment longer. */
  readonly domain: Domain | undefined
  /** Made by Baton: it has a definition, and its disks are Baton's. */
  readonly isOurs: boolean
  readonly settings: XlSettings
}

/** `started`: what runs, and since which boot of the host. */
export type Started = { readonly definition: GuestDefinition; readonly bootId: string }

/** What a state is made of. `endedWith`: the reason code that xl's monitor wrote down, if it saw an end. */
export type Traces = {
  readonly domain: Pick<Domain, 'state' | 'shutdownReason'> | undefined
  readonly hasSavedMemory: boolean
  readonly wasStarted: boolean
  readonly endedWith: number | undefined
}

/** SHUTDOWN_* of Xen's public/sched.h. */
const reasons = { poweroff: 0, reboot: 1, suspend: 2 } as const

/** While saved memory stands the guest has not executed since, whatever domain there is. Pure. */
export function runStateOf({ domain, hasSavedMemory, wasStarted, endedWith }: Traces): GuestRunState {
  if (domain?.state === 'running') return 'running'
  if (hasSavedMemory) return 'saved'
  if (domain?.state === 'paused') return 'paused'
  if (domain?.state === 'crashed') return 'crashed'
  // One that reboots, or stands still for a moment to be saved, goes on by itself.
  const isBusy = domain?.shutdownReason === reasons.reboot || domain?.shutdownReason === reasons.suspend
  if (domain?.state === 'shutdown') return isBusy ? 'running' : 'stopped'
  return wasStarted && endedWith !== reasons.poweroff ? 'crashed' : 'stopped'
}

/** @throws InfraError `not-found` for an unknown guest. */
export async function knownGuest(host: Host, name: string, options: CallOptions): Promise<Known> {
  if (name === '') throw unknownGuest(name)
  const [domains, configs] = await Promise.all([listDomains(host, options), readConfigs(host, options)])
  const known = await inspect(host, name, domains, configs, options)
  if (known === undefined) throw unknownGuest(name)
  return known
}

export async function listGuests(host: Host, options: CallOptions): Promise<readonly GuestState[]> {
  const [domains, configs, defined = []] = await Promise.all([
    listDomains(host, options),
    readConfigs(host, options),
    host.list(`${host.directories.state}/xen`, options),
  ])
  const told = hostAddresses(host, options)
  const names = new Set([...configs.keys(), ...defined.filter(isGuestName), ...domains.map(({ name }) => name)])
  const states = await Promise.all(
    [...names].map(async (name) => {
      const known = await inspect(host, name, domains, configs, options)
      return known === undefined ? [] : [await stateOf(host, known, told, options)]
    }),
  )
  return states.flat().sort((a, b) => (a.definition.name < b.definition.name ? -1 : 1))
}

type Config = { readonly path: string; readonly settings: XlSettings; readonly isAuto: boolean }

/** Every /etc/xen/*.cfg that names a guest; a file may be called otherwise than its guest. */
export async function readConfigs(host: Host, options: CallOptions): Promise<ReadonlyMap<string, Config>> {
  const [files = [], auto = []] = await Promise.all([
    host.list(configDirectory, options),
    host.list(autoDirectory, options),
  ])
  const read = files
    .filter((file) => file.endsWith('.cfg') && !file.startsWith('.'))
    .map(async (file) => {
      const path = `${configDirectory}/${file}`
      const content = await host.readFile(path, options)
      const settings = settingsIn(new TextDecoder().decode(content))
      const name = foreignDefinition(settings)?.name
      return name === undefined ? [] : [[name, { path, settings, isAuto: auto.includes(file) }] as const]
    })
  return new Map((await Promise.all(read)).flat())
}

/** undefined when there is nothing of this name. */
async function inspect(
  host: Host,
  name: string,
  domains: readonly Domain[],
  configs: ReadonlyMap<string, Config>,
  options: CallOptions,
): Promise<Known | undefined> {
  const config = configs.get(name)
  const domain = domains.find((one) => one.name === name)
  const usual = guestPaths(host.directories, name)
  const paths = config === undefined ? usual : { ...usual, config: config.path as typeof usual.config }
  const own = isGuestName(name) ? await readJson<GuestDefinition>(host, paths.definition, options) : undefined
  const settings: XlSettings = config?.settings ?? new Map()
  const found = own === undefined ? foreign(name, config, domain) : definitionFrom(own, settings)
  if (found === undefined) return undefined
  const state = runStateOf(await tracesOf(host, paths, domain, options))
  return {
    definition: { ...found, autostart: config?.isAuto ?? false },
    paths,
    state,
    domain,
    isOurs: own !== undefined,
    settings,
  }
}

/** Made by hand: what its file says, or, without a file, what Xen says. */
function foreign(name: string, config: Config | undefined, domain: Domain | undefined): GuestDefinition | undefined {
  if (config !== undefined) return foreignDefinition(config.settings)
  if (domain === undefined) return undefined
  const settings: XlSettings = new Map<string, string | number>([
    ['name', name],
    ['memory', domain.memoryMebibytes],
    ['vcpus', domain.vcpus],
  ])
  return foreignDefinition(settings)
}

async function tracesOf(
  host: Host,
  paths: GuestPaths,
  domain: Domain | undefined,
  options: CallOptions,
): Promise<Traces> {
  const [files = [], started] = await Promise.all([
    host.list(paths.state, options),
    readJson<Started>(host, paths.started, options),
  ])
  const wasStarted = started !== undefined && started.bootId === (await host.facts(options)).bootId
  const isGone = domain === undefined || domain.state === 'dying'
  return {
    domain,
    hasSavedMemory: files.includes(savedName),
    wasStarted,
    endedWith: wasStarted && isGone ? await endOf(host, paths, options) : undefined,
  }
}

/** The last `reason code N` in the log of xl's monitor, which xl begins anew at every start. */
async function endOf(host: Host, { monitorLog }: GuestPaths, options: CallOptions): Promise<number | undefined> {
  const log = new TextDecoder().decode(await host.readFile(monitorLog, options))
  const last = [...log.matchAll(/reason code (\d+)/g)].at(-1)?.[1]
  return last === undefined ? undefined : Number(last)
}

async function stateOf(host: Host, known: Known, told: HostAddresses, options: CallOptions): Promise<GuestState> {
  const { definition, paths, state, domain } = known
  if (domain === undefined || (state !== 'running' && state !== 'paused')) return { definition, state, reach: [] }
  const started = (await readJson<Started>(host, paths.started, options))?.definition
  const standing = started === undefined ? definition : standingDefinition(definition, started)
  const addresses = await addressesOf(host, standing, known, told, options)
  const type = known.settings.get('type')
  return {
    definition: standing,
    state,
    id: domain.id,
    reach: [],
    acceleration: `xen ${typeof type === 'string' ? type : 'pv'}`,
    ...addresses,
  }
}

/** A fixed one is known beforehand; else by lease, neighbour table and what the guest's tools write into xenstore. */
async function addressesOf(
  host: Host,
  guest: GuestDefinition,
  { settings, domain }: Known,
  known: HostAddresses,
  options: CallOptions,
): Promise<Pick<GuestState, 'address' | 'addresses'>> {
  if (guest.network.kind === 'user') return {}
  const { bridge, address } = guest.network
  const fixed = address?.split('/')[0]
  if (fixed !== undefined) return { address: fixed }
  const mac = macOf(settings) ?? macOfGuest('xen', guest)
  const heard = [...(await known.leased(bridge, mac)), ...(await known.heard(bridge, mac))]
  if (heard.length > 0 || domain === undefined) return knownAddresses(heard)
  const command = ['xenstore-ls', `/local/domain/${domain.id}/attr`]
  const attributes = await host.run(command, options).catch((error: unknown) => {
    if (!isInfraError(error, 'missing-tool')) throw error
  })
  return knownAddresses(toldAddresses(attributes?.stdout ?? ''))
}

/** `ip = "10.0.0.5"`, `0 = "10.0.0.5"` below `ipv4`: where tools of different ages write them. */
export function toldAddresses(text: string): string[] {
  return [...text.matchAll(/^\s*(?:ip|\d+|addr) = "([0-9a-f:.]+)"/gim)]
    .map(([, address = '']) => address)
    .filter((address) => parseAddress(address) !== undefined)
}
