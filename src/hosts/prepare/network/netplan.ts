/** netplan(5): what addresses the uplink had belongs to the bridge now; the file keeps its comments. */
import { type Document, isMap, isScalar, parseDocument, type YAMLMap } from 'yaml'
import type { Guarded, WholeFile } from '../step.ts'
import { ownMark } from '../step.ts'
import { refusal, type Uplink } from './uplink.ts'

type Files = Readonly<Record<string, string>>

/** What is about the card and not about its addresses: it stays with the card. */
const ofCard = new Set(
  'match set-name wakeonlan macaddress mtu emit-lldp receive-checksum-offload transmit-checksum-offload tcp-segmentation-offload tcp6-segmentation-offload generic-segmentation-offload generic-receive-offload large-receive-offload openvswitch renderer optional ignore-carrier'.split(
    ' ',
  ),
)

/** undefined: netplan does not speak of the uplink. @throws InfraError for a file that cannot be read, or two that speak of it. */
export function bridgeByNetplan(files: Files, uplink: Uplink, bridge: string): Guarded | undefined {
  const own = Object.entries(files).flatMap(([path, before]) => {
    if (!path.startsWith('/etc/netplan/')) return []
    const document = parseDocument(before)
    if (document.errors.length > 0)
      throw refusal(
        'invalid',
        `${path}: ${document.errors[0]?.message}`,
        path,
        'mend it (netplan generate), then run this again',
      )
    const id = cardIn(document, uplink)
    return id === undefined ? [] : [{ path, before, document, id }]
  })
  const [first, second] = own
  if (first === undefined) return undefined
  if (second !== undefined)
    throw refusal(
      'unsupported',
      `${uplink.name} is described in ${first.path} and in ${second.path}`,
      uplink.name,
      'put it into one file, then run this again',
    )
  const { path, before, document, id } = first
  if (document.hasIn(['network', 'bridges', bridge]))
    throw refusal(
      'already-exists',
      `${path} describes ${bridge} already, and it is not up`,
      bridge,
      'see why: netplan apply',
    )
  moveAddresses(document, id, uplink, bridge)
  const apply = [
    ['netplan', 'generate'],
    ['netplan', 'apply'],
  ]
  return {
    uplink: uplink.name,
    bridge,
    files: [{ path, before, after: document.toString({ lineWidth: 0 }) }, ...withoutCloudInit(path, files)],
    leave: [],
    enter: apply,
    back: { leave: [], enter: [['ip', 'link', 'delete', bridge], ...apply] },
  }
}

/** Cards go by the name of their entry, by what set-name gives them, or by what match finds. */
function cardIn(document: Document, { name, mac }: Uplink): string | undefined {
  const cards = document.getIn(['network', 'ethernets'])
  if (!isMap(cards)) return undefined
  for (const { key, value } of cards.items) {
    const id = isScalar(key) ? String(key.value) : String(key)
    if (!isMap(value)) continue
    const match = value.get('match')
    const matched = isMap(match) ? match : undefined
    if ((matched === undefined && id === name) || value.get('set-name') === name) return id
    const address = matched?.get('macaddress')
    if (matched?.get('name') === name || (typeof address === 'string' && address.toLowerCase() === mac)) return id
  }
  return undefined
}

function moveAddresses(document: Document, id: string, uplink: Uplink, bridge: string): void {
  const card = document.getIn(['network', 'ethernets', id]) as YAMLMap
  const moved = card.items.filter(({ key }) => !ofCard.has(String(isScalar(key) ? key.value : key)))
  card.items = card.items.filter((item) => !moved.includes(item))
  card.set('dhcp4', false)
  const settings = document.createNode({
    interfaces: [id],
    macaddress: uplink.mac,
    parameters: { stp: false, 'forward-delay': 0 },
  })
  settings.items.push(...(moved as typeof settings.items))
  document.setIn(['network', 'bridges', bridge], settings)
}

/** cloud-init would write its own file anew for a new instance, and the bridge would be gone. */
function withoutCloudInit(path: string, files: Files): WholeFile[] {
  if (!path.endsWith('cloud-init.yaml')) return []
  const off = '/etc/cloud/cloud.cfg.d/99-baton-network.cfg'
  const before = files[off] ?? ''
  return before === '' ? [{ path: off, before, after: `${ownMark}network: { config: disabled }\n` }] : []
}
