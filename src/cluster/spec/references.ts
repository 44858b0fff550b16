/** What holds between things: references to nothing, things that are there twice, addresses that clash. Looks at what is written. */
import { isInNetwork, parseCidr, parseEndpoint } from '../../lvs/address.ts'
import { checkHardware } from './hardware-spec.ts'
import { checkKnown, namesOf, takeOnce } from './known.ts'
import { checkRemote } from './remote-check.ts'
import { defaultHost } from './schema.ts'
import { checkServices } from './service-references.ts'
import {
  child,
  items,
  members,
  nodeAt,
  type Place,
  problem,
  type Report,
  type SourceMap,
  type SourceNode,
  textOf,
  warning,
} from './source.ts'
import { nearest } from './suggest.ts'
import { checkVirtualRouters } from './vrrp-check.ts'

export function checkReferences(root: SourceMap, report: Report): void {
  checkHosts(root, report)
  checkRemote(root, report)
  checkPools(root, report)
  checkFixedAddresses(root, report)
  checkServices(root, report)
  checkDirectors(root, report)
}

function hostNames(root: SourceMap): string[] {
  const names = namesOf(root, 'hosts')
  return names.length === 0 ? [defaultHost.name] : names
}

/** Two hosts without a way to reach another machine are the same machine. */
function checkHosts(root: SourceMap, report: Report): void {
  const local = members(child(root, 'hosts')).filter(
    ([, { value }]) => child(value, 'ssh') === undefined && textOf(child(value, 'hypervisor')) !== 'fake',
  )
  for (const [name, { key }] of local.slice(1))
    report(problem(key, `${name} is the same machine as ${local[0]?.[0]}: expected one host without ssh`))
  for (const [, { value }] of members(child(root, 'hosts'))) {
    const sudo = child(value, 'sudo')
    if (sudo !== undefined && child(value, 'ssh') === undefined)
      report(problem(sudo.place, 'sudo is for hosts over SSH', 'add ssh:, or run Baton itself as root'))
    if (textOf(child(value, 'hypervisor')) === 'fake' && child(value, 'ssh') !== undefined)
      report(
        problem(
          child(value, 'hypervisor')?.place ?? value.place,
          'fake guests are pretended on this machine',
          'leave ssh out',
        ),
      )
    const made = child(value, 'bridge-address')
    if (made !== undefined && child(value, 'bridge') === undefined)
      report(problem(made.place, 'bridge-address needs the name of the bridge', 'add bridge: br-baton'))
    checkStorage(value, report)
    const xendomains = child(value, 'xendomains')
    if (xendomains !== undefined && textOf(child(value, 'hypervisor')) !== 'xen')
      report(problem(xendomains.place, 'xendomains is for hosts with hypervisor: xen', 'leave it out'))
    const hypervisor = textOf(child(value, 'hypervisor'))
    if (made !== undefined && (hypervisor === 'xen' || hypervisor === 'libvirt'))
      report(
        problem(
          made.place,
          `with hypervisor: ${hypervisor} the bridge is made once, by hand or by baton host prepare`,
          'leave bridge-address out',
        ),
      )
  }
}

function checkStorage(host: SourceNode, report: Report): void {
  const lvm = child(child(host, 'storage'), 'lvm')
  if (lvm === undefined) return
  if (child(child(host, 'storage'), 'dir') !== undefined)
    report(problem(lvm.place, 'a host keeps its disks in a directory or on LVM: expected one of dir and lvm'))
  if (textOf(child(host, 'hypervisor')) !== 'xen')
    report(problem(lvm.place, 'storage on LVM needs hypervisor: xen', 'write dir: and a directory'))
}

/** undefined: the default. */
function hypervisorOf(root: SourceMap, pool: SourceNode): string | undefined {
  const host = textOf(child(pool, 'host')) ?? namesOf(root, 'hosts')[0]
  return host === undefined ? undefined : textOf(child(child(child(root, 'hosts'), host), 'hypervisor'))
}

function checkPools(root: SourceMap, report: Report): void {
  const pools = members(child(root, 'guests'))
  const [images, hosts] = [[...namesOf(root, 'images'), 'tiny'], hostNames(root)]
  for (const [name, { key, value }] of pools) {
    checkKnown(child(value, 'image'), 'image', images, report)
    checkKnown(child(value, 'host'), 'host', hosts, report)
    checkBridge(root, value, report)
    checkHardware(root, value, report)
    const autostart = child(value, 'autostart')
    const hypervisor = hypervisorOf(root, value)
    if (autostart?.kind === 'scalar' && autostart.value === true && (hypervisor ?? 'qemu') === 'qemu')
      report(
        warning(
          autostart.place,
          'guests of QEMU start with their host only where baton-guests.service is enabled',
          'baton host prepare HOST --as kvm enables it, baton host check HOST says whether it is',
        ),
      )
    const count = countOf(value)
    if (count !== undefined && `${name}-${count}`.length > 63)
      report(problem(key, `the guest ${name}-${count} would have a name of more than 63 letters`))
    const [, pool = '', number = 'none'] = /^(.+)-([1-9][0-9]*)$/.exec(name) ?? []
    const other = child(child(root, 'guests'), pool)
    if (count === undefined && Number(number) <= (countOf(other) ?? 0))
      report(problem(key, `two guests would be called ${name}: this one, and number ${number} of ${pool}`))
  }
}

function countOf(pool: SourceNode | undefined): number | undefined {
  const count = child(pool, 'count')
  return count?.kind === 'scalar' && typeof count.value === 'number' ? count.value : undefined
}

/** On Xen there is no network of the kind `user`, which is the default elsewhere. */
function checkXenNetwork(root: SourceMap, pool: SourceNode, report: Report): void {
  if (hypervisorOf(root, pool) !== 'xen') return
  const network = child(pool, 'network')
  if (network !== undefined && textOf(network) !== 'user') return
  const hint = 'write network: dhcp, or fixed addresses on a bridge'
  report(problem((network ?? pool).place, 'guests on Xen are on a bridge: expected network: dhcp or addresses', hint))
}

function checkBridge(root: SourceMap, pool: SourceNode, report: Report): void {
  checkXenNetwork(root, pool, report)
  const network = child(pool, 'network')
  const isBridged = network?.kind === 'map' || textOf(network) === 'dhcp'
  if (network === undefined || !isBridged || child(network, 'bridge') !== undefined) return
  if (members(network).some(([key]) => nearest(key, ['bridge']) !== undefined)) return
  const host = textOf(child(pool, 'host')) ?? hostNames(root)[0] ?? defaultHost.name
  const written = nodeAt(root, ['hosts', host])
  if (written === undefined && host !== defaultHost.name) return
  if (child(written, 'bridge') !== undefined) return
  const hint = `add bridge: to the host, or write network: { bridge: br0 }, or network: user`
  report(problem(network.place, `this network needs a bridge, and the host ${host} names none`, hint))
}

/** The fixed addresses of a pool, with the key that names them. */
function fixedAddresses(pool: SourceNode): { key: Place; nodes: readonly SourceNode[] } | undefined {
  const network = child(pool, 'network')
  if (network?.kind !== 'map') return undefined
  const one = network.entries.get('address')
  const many = network.entries.get('addresses')
  if (many !== undefined && many.value.kind === 'list') return { key: many.key, nodes: many.value.items }
  return one === undefined ? undefined : { key: one.key, nodes: [one.value] }
}

function checkFixedAddresses(root: SourceMap, report: Report): void {
  const taken = new Map<string, Place>()
  const ofHosts = members(child(root, 'hosts')).map(([, { value }]) => textOf(child(value, 'bridge-address')))
  for (const [name, { value }] of members(child(root, 'guests'))) {
    const fixed = fixedAddresses(value)
    if (fixed === undefined) continue
    const guests = countOf(value) ?? 1
    if (fixed.nodes.length !== guests) {
      const message = `${name} has ${guests} guests and ${fixed.nodes.length} addresses: expected one for each guest`
      report(problem(fixed.key, message))
    }
    for (const node of fixed.nodes) {
      const cidr = parseCidr(textOf(node) ?? '')
      if (cidr === undefined) continue
      takeOnce(taken, cidr.address, node.place, (line) => `${cidr.address} is taken: first in ${line}`, report)
      if (ofHosts.some((own) => parseCidr(own ?? '')?.address === cidr.address))
        report(problem(node.place, `${cidr.address} is the host's own address on the bridge`))
    }
    checkGateway(child(child(value, 'network'), 'gateway'), fixed.nodes, report)
  }
  for (const [name, { value }] of members(child(root, 'services'))) {
    const node = child(value, 'address')
    const endpoint = parseEndpoint(textOf(node) ?? '')
    const guest = endpoint === undefined ? undefined : taken.get(endpoint.address)
    if (node !== undefined && endpoint !== undefined && guest !== undefined)
      report(problem(node.place, `${endpoint.address} is a guest's own address: ${name} needs one of its own`))
  }
}

function checkGateway(gateway: SourceNode | undefined, addresses: readonly SourceNode[], report: Report): void {
  const router = textOf(gateway)
  const [first] = addresses
  const network = parseCidr(textOf(first) ?? '')
  if (gateway === undefined || router === undefined || network === undefined) return
  if (parseEndpoint(`[${router}]:1`) === undefined && parseEndpoint(`${router}:1`) === undefined) return
  if (!isInNetwork(router, network))
    report(problem(gateway.place, `the gateway ${router} is not in the network of ${textOf(first)}`))
}

function checkDirectors(root: SourceMap, report: Report): void {
  const written: readonly SourceNode[] = items(nodeAt(root, ['directors', 'hosts']))
  const taken = new Map<string, Place>()
  for (const host of written) {
    checkKnown(host, 'host', hostNames(root), report)
    takeOnce(taken, textOf(host) ?? '', host.place, (first) => `${textOf(host)} is named on ${first} already`, report)
  }
  const empty = nodeAt(root, ['directors', 'hosts'])
  if (empty?.kind === 'list' && empty.items.length === 0)
    report(problem(empty.place, 'directors need a host: expected the name of a host', 'or leave hosts out'))
  checkMetrics(root, report)
  checkVirtualRouters(root, report)
}

function checkMetrics(root: SourceMap, report: Report): void {
  const node = nodeAt(root, ['directors', 'metrics'])
  const metrics = parseEndpoint(textOf(node) ?? '')
  if (node === undefined || metrics === undefined) return
  for (const [name, { value }] of members(child(root, 'services'))) {
    const own = parseEndpoint(textOf(child(value, 'address')) ?? '')
    const isOther = child(value, 'dns') === undefined && (textOf(child(value, 'protocol')) ?? 'tcp') !== 'tcp'
    if (own !== undefined && !isOther && own.address === metrics.address && own.port === metrics.port)
      report(problem(node.place, `${textOf(node)} is where ${name} stands: metrics need a port of their own`))
  }
}
