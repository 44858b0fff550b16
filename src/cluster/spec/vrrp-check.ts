/** What must hold within virtual routers and between them. Looks at what is written, so that it finds all at once. */
import { isInNetwork, parseAddress, parseEndpoint } from '../../lvs/address.ts'
import { familyOf } from '../../lvs/service.ts'
import { wireIntervals } from '../../wire/vrrp.ts'
import { formatDuration, parseDuration } from './duration.ts'
import { parseHeldAddress } from './held-address.ts'
import { checkKnown, directingHosts, namesOf } from './known.ts'
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
} from './source.ts'
import { didYouMean } from './suggest.ts'
import { defaultRouter } from './vrrp-schema.ts'

const linkLocal = { address: 'fe80::', prefix: 10 }

export function checkVirtualRouters(root: SourceMap, report: Report): void {
  const node = nodeAt(root, ['directors', 'vrrp'])
  const routers = node?.kind === 'list' ? node.items : node === undefined ? [] : [node]
  for (const router of routers) {
    checkTiming(router, report)
    checkPriorities(root, router, report)
    checkAddresses(root, router, report)
    checkPaths(router, report)
    checkAcceptance(router, report)
    for (const track of items(child(router, 'track')))
      checkKnown(child(track, 'service'), 'service', namesOf(root, 'services'), report)
  }
  checkUnique(routers, report)
}

function checkTiming(router: SourceNode, report: Report): void {
  const version = numberOf(child(router, 'version')) ?? defaultRouter.version
  if (version !== 2 && version !== 3) return
  const every = child(router, 'every')
  const ms = parseDuration(textOf(every) ?? '')
  const { least, most, step } = wireIntervals[version]
  if (every !== undefined && ms !== undefined && (ms < least || ms > most || ms % step !== 0)) {
    const range = `${formatDuration(least)} to ${formatDuration(most)} in steps of ${formatDuration(step)}`
    report(
      problem(
        every.place,
        `every: version ${version} of VRRP can say ${range}`,
        version === 2 ? 'version 3 can say less' : undefined,
      ),
    )
  }
  const password = child(router, 'password')
  if (password !== undefined && version === 3)
    report(problem(password.place, 'version 3 of VRRP has no passwords', 'leave it out, or write version: 2'))
}

/** Each director has one, and nobody else. */
function checkPriorities(root: SourceMap, router: SourceNode, report: Report): void {
  const priority = child(router, 'priority')
  if (priority?.kind !== 'map') return
  const directing = directingHosts(root)
  const given = members(priority)
  for (const [name, { key }] of given)
    if (!directing.includes(name))
      report(
        problem(
          key,
          `${name} does not direct, and needs no priority${didYouMean(name, directing)}`,
          `directors: hosts: ${directing.join(', ')}`,
        ),
      )
  const lacking = directing.filter((name) => !given.some(([other]) => other === name))
  if (lacking.length > 0)
    report(problem(priority.place, `priority: there is none for ${lacking.join(', ')}`, 'write one for each director'))
}

/** RFC 5798 §6.1: of the owner nothing is kept from its own addresses. */
function checkAcceptance(router: SourceNode, report: Report): void {
  const accept = child(router, 'accept')
  const priority = child(router, 'priority')
  const priorities = [priority, ...members(priority).map(([, { value }]) => value)]
  if (accept?.kind === 'scalar' && accept.value === false && priorities.some((one) => numberOf(one) === 255))
    report(
      problem(
        accept.place,
        'accept: false does not go with priority: 255, whose addresses are its own',
        'remove one of them',
      ),
    )
}

function checkAddresses(root: SourceMap, router: SourceNode, report: Report): void {
  const written = child(router, 'addresses')
  const own = items(written).flatMap((node) => {
    const held = parseHeldAddress(textOf(node) ?? '')
    return held === undefined ? [] : [{ address: held.address, place: node.place }]
  })
  const all = written === undefined ? serviceAddresses(root, router.place) : own
  const [first] = all
  if (first === undefined) {
    if (written === undefined || (written.kind === 'list' && written.items.length === 0))
      report(
        problem(
          (written ?? router).place,
          'a virtual router needs an address: there is no service that has one',
          'write addresses:',
        ),
      )
    return
  }
  const family = familyOf(first.address)
  for (const { address, place } of all)
    if (familyOf(address) !== family) {
      report(
        problem(
          place,
          `${first.address} and ${address} are of two families: each needs a virtual router of its own`,
          'write addresses: and list two routers',
        ),
      )
      return
    }
  if (family !== 'ipv6') return
  if (numberOf(child(router, 'version')) === 2)
    report(problem(first.place, 'version 2 of VRRP has no IPv6', 'leave version: out'))
  if (!isInNetwork(first.address, linkLocal))
    report(
      problem(
        first.place,
        `over IPv6 the first address must be link-local (RFC 9568 §5.2.9), not ${first.address}`,
        'write addresses: [fe80::10/64, …]',
      ),
    )
}

function serviceAddresses(root: SourceMap, place: Place): { address: string; place: Place }[] {
  return members(child(root, 'services')).flatMap(([, { value }]) => {
    const text = textOf(child(value, 'address')) ?? ''
    const address = parseEndpoint(text)?.address ?? parseAddress(text)
    return address === undefined ? [] : [{ address, place }]
  })
}

function checkPaths(router: SourceNode, report: Report): void {
  const seen = new Set<string>()
  for (const path of [router, ...items(child(router, 'also'))]) {
    const source = child(path, 'source')
    const peers = child(path, 'peers')
    if (source !== undefined && peers === undefined)
      report(problem(source.place, 'source goes with peers: multicast comes from the interface’s first address'))
    checkMulticast(child(path, 'multicast'), peers, report)
    if (peers?.kind === 'list' && peers.items.length === 0)
      report(problem(peers.place, 'peers: an empty list reaches nobody', 'leave it out for multicast'))
    const name = textOf(child(path, 'interface'))
    if (name !== undefined && seen.has(name))
      report(problem(path.place, `the routers hear each other on ${name} already`))
    if (name !== undefined) seen.add(name)
  }
}

function checkMulticast(node: SourceNode | undefined, peers: SourceNode | undefined, report: Report): void {
  const group = parseAddress(textOf(node) ?? '')
  if (node === undefined || group === undefined) return
  if (peers !== undefined) report(problem(node.place, 'multicast does not go with peers, who are told one by one'))
  const range = familyOf(group) === 'ipv4' ? { address: '224.0.0.0', prefix: 4 } : { address: 'ff00::', prefix: 8 }
  if (!isInNetwork(group, range)) report(problem(node.place, `${group} is no multicast address`))
}

/** One id is one virtual router on a link, and an address is one router's. */
function checkUnique(routers: readonly SourceNode[], report: Report): void {
  const taken = new Map<string, string>()
  const take = (key: string, who: string, place: Place, message: (owner: string) => string): void => {
    const owner = taken.get(key)
    if (owner === undefined) taken.set(key, who)
    else report(problem(place, message(owner)))
  }
  for (const router of routers) {
    const name = textOf(child(router, 'name')) ?? defaultRouter.name
    take(
      `name ${name}`,
      name,
      router.place,
      () => `two virtual routers are called ${name}: give each a name of its own`,
    )
    const [advertised, beside] = ['addresses', 'beside'].map((key) =>
      items(child(router, key)).map((node) => ({ node, address: parseHeldAddress(textOf(node) ?? '')?.address })),
    )
    const addresses = [...(advertised ?? []), ...(beside ?? [])]
    const family = advertised?.[0]?.address?.includes(':') === true ? 'ipv6' : 'ipv4'
    const [id, link] = [numberOf(child(router, 'id')), textOf(child(router, 'interface'))]
    if (id !== undefined && link !== undefined)
      take(`id ${family} ${link} ${id}`, name, router.place, (owner) => `${owner} has the id ${id} on ${link} already`)
    for (const { node, address } of addresses)
      if (address !== undefined)
        take(`address ${address}`, name, node.place, (owner) => `${owner} has ${address} already`)
  }
}

function numberOf(node: SourceNode | undefined): number | undefined {
  return node?.kind === 'scalar' && typeof node.value === 'number' ? node.value : undefined
}
