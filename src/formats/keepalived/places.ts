/** Where virtual and real servers are: addresses with their ports, and the ranges of virtual_server_group. */
import { parseAddress } from '../../lvs/address.ts'
import { familyOf } from '../../lvs/service.ts'
import type { Place, Report } from './finding.ts'
import { readInteger } from './keyword.ts'
import type { VirtualAddress } from './model.ts'
import { maxUnsigned } from './tables/kinds.ts'
import { type Entry, lacksWord } from './tree.ts'

export const ports = { min: 1, max: 65_535 }
export const marks = { min: 0, max: maxUnsigned }

/** 0 is no port, as is none. */
export function readEndpoint(
  host: string,
  port: string | undefined,
  place: Place,
  report: Report,
): { readonly address: string; readonly port: number } | undefined {
  const number = port === undefined || port === '0' ? 0 : readInteger(port, ports)
  if (typeof number === 'string') report(5, place, number)
  const address = parseAddress(host)
  return address === undefined || typeof number === 'string' ? undefined : { address, port: number }
}

/** `IP [port]`, `a.b.c.d-e`, `ip-ip`, CIDR, `fwmark N [family]`. */
export function readGroup({ words: [name = ''], entries }: Entry, report: Report): readonly VirtualAddress[] {
  const said = (place: Place, text: string): readonly VirtualAddress[] => {
    report(5, place, text)
    return []
  }
  return entries.flatMap(({ keyword, words, place }): readonly VirtualAddress[] => {
    if (keyword === 'fwmark') {
      if (words[0] === undefined) lacksWord(keyword, keyword, 2, place, report)
      const mark = readInteger(words[0] ?? '', marks)
      if (typeof mark === 'string') report(5, place, mark)
      if (typeof mark === 'string')
        return said(place, `(${name}): fwmark '${words[0] ?? ''}' must be in [0, ${maxUnsigned}] - ignoring`)
      const family = words[1]
      if (family !== undefined && family !== 'inet' && family !== 'inet6')
        return said(place, `(${name}): fwmark '${mark}' family ${family} unknown - ignoring`)
      return [{ kind: 'mark', mark, ...(family === undefined ? {} : { family: family === 'inet' ? 'ipv4' : 'ipv6' }) }]
    }
    const [, host = keyword, range, prefix] = /^([^-/]+)(?:-([^/]+))?(?:\/(.*))?$/.exec(keyword) ?? []
    const endpoint = readEndpoint(host, words[0], place, report)
    if (endpoint === undefined) {
      const written = `${keyword} ${words[0] === undefined ? '' : `/port/${words[0]}`}`
      return said(place, `Invalid virtual server group IP address ${written} - skipping`)
    }
    const addresses = addressesOf(endpoint.address, range, prefix)
    return typeof addresses === 'string'
      ? said(place, `${addresses} - ${keyword} - skipping`)
      : addresses.map((address) => ({ kind: 'address', address, port: endpoint.port }))
  })
}

/** More addresses than this in one line are a slip of the pen. */
const maxAddresses = 65_536

/** A string is what is wrong. */
function addressesOf(
  address: string,
  range: string | undefined,
  prefix: string | undefined,
): readonly string[] | string {
  if (range === undefined && prefix === undefined) return [address]
  if (familyOf(address) === 'ipv6') return range === undefined ? 'Invalid netmask' : lastGroups(address, range)
  const first = numberOf(address)
  if (prefix !== undefined) {
    const bits = /^[0-9]{1,2}$/.test(prefix) ? Number(prefix) : 33
    if (bits > 32 || bits === 0) return 'Invalid netmask'
    const size = 2 ** (32 - bits)
    if (first % size !== 0) return 'Address mask bits not empty'
    return size > maxAddresses
      ? 'Invalid netmask'
      : Array.from({ length: size }, (_, index) => addressOf(first + index))
  }
  const last = /^[0-9]{1,3}$/.test(range ?? '') ? first - (first % 256) + Number(range) : numberOf(range ?? '')
  if (Number.isNaN(last) || last - first >= maxAddresses) return 'Invalid range end'
  if (last <= first) return 'Address range end is not greater than address range start'
  return Array.from({ length: last - first + 1 }, (_, index) => addressOf(first + index))
}

/** `ae00::2-9`: of the last sixteen bits. */
function lastGroups(address: string, range: string): readonly string[] | string {
  const [, head = '', group = ''] = /^(.*:)([0-9a-f]*)$/.exec(address) ?? []
  const first = Number.parseInt(group === '' ? '0' : group, 16)
  const last = /^[0-9A-Fa-f]{1,4}$/.test(range) ? Number.parseInt(range, 16) : Number.NaN
  if (Number.isNaN(last)) return 'Invalid range end'
  if (last <= first) return 'Address range end is not greater than address range start'
  return Array.from(
    { length: last - first + 1 },
    (_, index) => parseAddress(`${head}${(first + index).toString(16)}`) ?? address,
  )
}

function numberOf(address: string): number {
  return address.split('.').reduce((sum, octet) => sum * 256 + Number(octet), 0)
}

function addressOf(number: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(number / 2 ** shift) % 256).join('.')
}
