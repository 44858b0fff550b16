/** `baton network`: libvirt's networks. */
import type { Command } from 'commander'
import { InfraError } from '../../errors.ts'
import {
  autostartNetwork,
  createNetwork,
  deleteNetwork,
  listNetworks,
  type NetworkPlace,
  networkLeases,
  switchNetwork,
} from '../../guests/libvirt/networks.ts'
import type { Host } from '../../hosts/host.ts'
import { type LibvirtOptions, libvirtCommand, withLibvirt } from '../local/libvirt-command.ts'
import { addVerbs } from '../local/libvirt-verbs.ts'
import { leasesView, networksView } from '../views/libvirt.ts'

type CreateOptions = LibvirtOptions & {
  readonly bridge?: string
  readonly nat?: string
  readonly isolated?: string
  readonly leases?: string
  readonly autostart?: true
}

export function register(program: Command): void {
  const network = program
    .command('network')
    .description("libvirt's networks: bridges of the host, and bridges with NAT")
  libvirtCommand(network, 'list', 'all networks').action((options: LibvirtOptions) =>
    withLibvirt(options, (call) => listNetworks(call.connection, call.options), networksView),
  )
  libvirtCommand(network, 'create', 'make a network, and let it be active')
    .argument('<network>', 'its name')
    .option('--bridge <bridge>', 'the bridge of the host that it is')
    .option('--nat <address>', 'a bridge with this address of the host, such as 192.168.150.1/24, and NAT behind it')
    .option('--isolated <address>', 'the same without a way to other networks')
    .option('--leases <from-to>', 'the addresses that its guests are given: 192.168.150.10-192.168.150.99')
    .option('--autostart', 'let it be active whenever libvirt starts')
    .action((name: string, options: CreateOptions) =>
      withLibvirt(
        options,
        async ({ connection, host, options: call }) => {
          const place = placeOf(name, options)
          const bridges = place.kind === 'bridge' ? await bridgesOf(host, call) : []
          const wish = { name, place, bridges, autostart: options.autostart === true }
          await createNetwork(connection, wish, call)
          return { network: name, did: 'created' }
        },
        ({ network, did }) => [`network ${network}: ${did}`],
      ),
    )
  libvirtCommand(network, 'leases', 'who has which address of it')
    .argument('<network>', 'a name as `baton network list` shows it')
    .action((name: string, options: LibvirtOptions) =>
      withLibvirt(options, (call) => networkLeases(call.connection, name, call.options), leasesView),
    )
  addVerbs(network, {
    kind: 'network',
    stop: 'take its bridge down: guests on it lose their connections',
    delete: 'let libvirt forget it; refused while a guest runs with a card on it',
    deleted: 'forgotten',
    switch: switchNetwork,
    setAutostart: autostartNetwork,
    remove: deleteNetwork,
  })
}

function placeOf(name: string, { bridge, nat, isolated, leases }: CreateOptions): NetworkPlace {
  const invalid = (why: string, hint: string): never => {
    throw new InfraError('invalid', `network ${name}: ${why}`, { subject: name, hint })
  }
  const places = [bridge, nat, isolated].filter((place) => place !== undefined)
  const [address] = places
  if (address === undefined || places.length > 1)
    return invalid('what is it?', 'say one of --bridge NAME, --nat ADDRESS/PREFIX and --isolated ADDRESS/PREFIX')
  if (bridge !== undefined)
    return leases === undefined
      ? { kind: 'bridge', bridge }
      : invalid('a bridge of the host gives no leases', 'leave out --leases: who is on the bridge gives them')
  const kind = nat === undefined ? 'isolated' : 'nat'
  if (leases === undefined) return { kind, address }
  const [from = '', to = '', ...more] = leases.split('-')
  if (to === '' || more.length > 0) invalid(`${leases} is no range of addresses`, 'write FROM-TO')
  return { kind, address, leases: { from, to } }
}

/** ip-link(8) with one line for each: `7: br0: <BROADCAST,…`. */
async function bridgesOf(host: Host, options: { readonly signal: AbortSignal }): Promise<readonly string[]> {
  const { stdout } = await host.run(['ip', '-o', 'link', 'show', 'type', 'bridge'], options)
  return Array.from(stdout.matchAll(/^\d+: ([^:@]+)/gm), ([, name = '']) => name)
}
