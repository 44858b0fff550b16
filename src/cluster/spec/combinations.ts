/** Keys that need or exclude one another inside one thing, and the names of things. Looks at what is written, so that it finds all at once. */
import { checkKinds } from './check-schema.ts'
import { checkEbpf } from './ebpf-schema.ts'
import { whereOf } from './explain.ts'
import { checkHealth } from './health-combinations.ts'
import { namePattern, nameRule, show } from './leaf.ts'
import { sinkKinds } from './notify-schema.ts'
import { namedSections } from './schema.ts'
import { checkServiceKeys } from './service-combinations.ts'
import {
  child,
  items,
  members,
  nodeAt,
  type Path,
  type Place,
  problem,
  type Report,
  type SourceEntry,
  type SourceMap,
  type SourceNode,
  textOf,
} from './source.ts'
import { nearest } from './suggest.ts'
import { trackedKinds } from './vrrp-schema.ts'

export function checkCombinations(root: SourceMap, report: Report): void {
  for (const section of namedSections) {
    for (const [name, { key }] of members(child(root, section)))
      if (!namePattern.test(name)) report(problem(key, `${show(name)} is not a name: expected ${nameRule}`))
  }
  for (const [name, { key, value }] of members(child(root, 'images'))) checkImage(value, ['images', name], key, report)
  for (const [name, { value }] of members(child(root, 'guests'))) checkNetwork(child(value, 'network'), name, report)
  for (const [name, { value }] of members(child(root, 'services'))) {
    for (const [index, server] of items(child(value, 'servers')).entries())
      checkServer(server, ['services', name, 'servers', index], report)
    checkChecks(value, ['services', name, 'check'], report)
    if (value.kind === 'map') {
      checkServiceKeys(value, report)
      checkHealth(value, report)
    }
  }
  const sinks: Path = ['directors', 'notify']
  for (const [index, sink] of items(nodeAt(root, sinks)).entries()) checkSink(sink, [...sinks, index], report)
  checkTracked(root, report)
  checkEbpf(root, report)
}

/** Exactly one key of `kinds` says what a thing is; each other key goes with some kinds only. */
type Kinds = Readonly<Record<string, readonly string[]>>

/** Of a disc that installs an image by itself. */
const installKeys = ['unattended', 'append', 'size', 'memory']

const imageKinds: Kinds = {
  builtin: [],
  kernel: ['initrd', 'cmdline'],
  disk: [],
  iso: installKeys,
  url: ['checksum'],
  stored: [],
  debootstrap: ['packages', 'files', 'mirror'],
}
const serverOptions = ['weight', 'upper-threshold', 'lower-threshold', 'forwarding', 'tunnel', 'check']
const serverKinds: Kinds = { guests: ['port', ...serverOptions], address: serverOptions }

/** The kind, when there is exactly one. `place`: where a missing kind is said. */
function checkKind(node: SourceNode, kinds: Kinds, path: Path, place: Place, report: Report): string | undefined {
  const written = members(node).filter(([key]) => Object.hasOwn(kinds, key))
  const names = Object.keys(kinds).join(', ')
  const [[kind] = [undefined], second] = written
  const isMisspelt = members(node).some(([key]) => nearest(key, Object.keys(kinds)) !== undefined)
  if (kind === undefined && !isMisspelt)
    report(problem(place, `${whereOf(path)} does not say what it is: expected one of ${names}`))
  else if (second !== undefined) {
    const message = `${second[0]} does not go with ${kind}: expected only one of ${names}`
    report(problem(second[1].key, message, 'remove one of them'))
    return undefined
  }
  if (kind === undefined) return undefined
  for (const [key, entry] of members(node)) {
    const owners = Object.keys(kinds).filter((kind) => kinds[kind]?.includes(key))
    if (owners.length > 0 && !owners.includes(kind))
      report(problem(entry.key, `${key} does not go with ${kind}: it belongs to ${owners.join(' and ')}`))
  }
  return kind
}

function checkImage(node: SourceNode, path: Path, key: Place, report: Report): void {
  if (node.kind !== 'map') return
  checkKind(node, imageKinds, path, key, report)
  const url = child(node, 'url')
  if (url !== undefined && child(node, 'checksum') === undefined)
    report(
      problem(
        url.place,
        'url needs a checksum: what comes over the network is believed by nothing else',
        'add checksum: sha256:… as its publisher says, or the URL of SHA256SUMS',
      ),
    )
  for (const [name, entry] of members(node))
    if (installKeys.includes(name) && child(node, 'iso') !== undefined && child(node, 'unattended') === undefined)
      report(
        problem(
          entry.key,
          `${name} goes with unattended: guests of a disc have their own`,
          'add unattended: with the files that answer the installer, or [] for a disc that asks nothing',
        ),
      )
  for (const [file, entry] of members(child(node, 'files')))
    if (!file.startsWith('/') || file.endsWith('/') || file.split('/').includes('..'))
      report(problem(entry.key, `${show(file)} is not an absolute path of a file in the image`, 'begin it with /'))
}

function checkTracked(root: SourceMap, report: Report): void {
  const path: Path = ['directors', 'vrrp']
  const node = nodeAt(root, path)
  const routers = node?.kind === 'list' ? node.items : node === undefined ? [] : [node]
  for (const router of routers)
    for (const [index, track] of items(child(router, 'track')).entries())
      if (track.kind === 'map') checkKind(track, trackedKinds, [...path, 'track', index], track.place, report)
}

function checkSink(node: SourceNode, path: Path, report: Report): void {
  if (node.kind !== 'map') return
  checkKind(node, sinkKinds, path, node.place, report)
  const events = child(node, 'events')
  if (events?.kind === 'list' && events.items.length === 0)
    report(
      problem(
        events.place,
        'events: an empty list tells nothing',
        'remove it for all kinds, or remove the whole entry',
      ),
    )
}

function checkServer(node: SourceNode, path: Path, report: Report): void {
  if (node.kind !== 'map') return
  const kind = checkKind(node, serverKinds, path, node.place, report)
  if (kind === 'guests' && child(node, 'port') === undefined)
    report(problem(node.place, `${whereOf(path)} has no port: expected the port on the guests`, 'add port: 80'))
  checkChecks(node, [...path, 'check'], report)
}

/** The check of a service or a server, or each of a list of them. */
function checkChecks(of: SourceNode, path: Path, report: Report): void {
  const entry = of.kind === 'map' ? of.entries.get('check') : undefined
  if (entry?.value.kind !== 'list') {
    if (entry !== undefined) checkCheck(entry, path, report)
    return
  }
  const { items, place } = entry.value
  if (items.length === 0) report(problem(place, 'check: an empty list checks nothing', 'remove it'))
  for (const [index, value] of items.entries()) checkCheck({ key: value.place, value }, [...path, index], report)
}

function checkCheck({ key, value: node }: SourceEntry, path: Path, report: Report): void {
  // Known and refused: that it is no kind needs not be said, too.
  if (node.kind !== 'map' || node.entries.has('script')) return
  const kind = checkKind(node, checkKinds, path, key, report)
  const value = kind === undefined ? undefined : child(node, kind)
  if (kind !== undefined && value?.kind === 'scalar' && value.value === false)
    report(problem(value.place, `${kind}: false checks nothing`, 'remove the whole check'))
  const method = textOf(child(node, 'method')) ?? 'GET'
  const [send, body] = [node.entries.get('send'), node.entries.get('body')]
  if (send !== undefined && method !== 'POST')
    report(problem(send.key, `a ${method} has no body to send`, 'add method: POST'))
  if (body !== undefined && method === 'HEAD')
    report(problem(body.key, 'the answer to a HEAD has no body', 'remove body, or write method: GET'))
  checkUdp(child(node, 'udp'), report)
  if (value?.kind === 'map') checkProtocol(value, report)
}

/** TLS is there from the beginning or begins later; a query needs somebody who asks. */
function checkProtocol(options: SourceMap, report: Report): void {
  const { entries } = options
  const [starttls, query] = [entries.get('starttls'), entries.get('query')]
  if (starttls !== undefined && entries.has('tls'))
    report(problem(starttls.key, 'starttls does not go with tls', 'remove one of them'))
  if (query !== undefined && !entries.has('login'))
    report(problem(query.key, 'a query needs a login', 'add login: { user: NAME, password: WORD }'))
}

function checkUdp(udp: SourceNode | undefined, report: Report): void {
  if (udp?.kind !== 'map') return
  for (const key of ['send', 'expect']) {
    const second = udp.entries.get(`${key}-hex`)
    if (second !== undefined && udp.entries.has(key))
      report(problem(second.key, `${key}-hex does not go with ${key}`, 'remove one of them'))
  }
}

function checkNetwork(node: SourceNode | undefined, pool: string, report: Report): void {
  const [address, addresses] = [child(node, 'address'), child(node, 'addresses')]
  if (node?.kind !== 'map') return
  if (address !== undefined && addresses !== undefined) {
    const message = `the network of ${pool} has both address and addresses`
    report(problem(node.entries.get('addresses')?.key ?? addresses.place, message, 'keep one of them'))
  }
  const gateway = node.entries.get('gateway')
  if (gateway !== undefined && address === undefined && addresses === undefined)
    report(problem(gateway.key, 'gateway needs a fixed address: with DHCP the router comes from there'))
}
