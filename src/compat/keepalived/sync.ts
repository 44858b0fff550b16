/** What global_defs say of the kernel's connections: lvs_sync_daemon and lvs_timeouts, in Baton's words. Pure. */

import type { Routers } from '../../formats/keepalived/instance-model.ts'
import { readInteger } from '../../formats/keepalived/keyword.ts'
import { type Entry, lastOf } from '../../formats/keepalived/tree.ts'
import { isInNetwork, parseAddress } from '../../lvs/address.ts'
import type { Synchronisation } from '../../lvs/edit.ts'
import { familyOf } from '../../lvs/service.ts'
import type { SettingsChange } from '../../lvs/settings.ts'
import type { Say } from './say.ts'

/** As keepalived and the kernel have them: ip_vs_sync.c. */
const defaults = { group: '224.0.0.81', port: 8848, ttl: 1 }
const multicast = { ipv4: { address: '224.0.0.0', prefix: 4 }, ipv6: { address: 'ff00::', prefix: 8 } }
const numbers = { id: [0, 255], maxlen: [1, 65_507], port: [1, 65_535], ttl: [1, 255] } as const
type NumberWord = keyof typeof numbers

/** Left out, its id is the virtual_router_id of the instance that it names. */
export function convertSync(globals: readonly Entry[], routers: Routers, say: Say): Synchronisation | undefined {
  const entry = lastOf(globals, 'lvs_sync_daemon')
  const [name, ...words] = entry?.words ?? []
  if (entry === undefined || name === undefined || name.length > 15) return undefined
  const read = readWords(words)
  const instance = routers.instances.find((one) => one.name === read.instance)
  const groupOf = (own: string): unknown => routers.groups.find(({ members }) => members.includes(own)) ?? own
  if (instance !== undefined && routers.instances.some((one) => groupOf(one.name) !== groupOf(instance.name)))
    say('warning', entry.place, `lvs_sync_daemon follows all virtual routers, not ${instance.name} alone`)
  if (read.group !== undefined && !isMulticast(read.group))
    say('warning', entry.place, `group ${read.group} is no multicast group: ${defaults.group} is taken`)
  const { id, maxlen, port = defaults.port, ttl = defaults.ttl } = read.numbers
  return {
    interface: name,
    syncId: id ?? instance?.id ?? 0,
    group: read.group !== undefined && isMulticast(read.group) ? read.group : defaults.group,
    port,
    ttl,
    ...(maxlen === undefined ? {} : { maxLength: maxlen }),
  }
}

type ReadWords = {
  readonly instance: string | undefined
  readonly group: string | undefined
  readonly numbers: Partial<Record<NumberWord, number>>
}

/** `[[inst] VRRP] [id N] [maxlen N] [port N] [ttl N] [group G]`; what is no number of its range has been said, and is not there. */
function readWords(words: readonly string[]): ReadWords {
  const found: Partial<Record<NumberWord, number>> = {}
  let [instance, group]: readonly (string | undefined)[] = []
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? ''
    if (isNumberWord(word)) {
      const [min, max] = numbers[word]
      const number = readInteger(words[++at] ?? '', { min, max })
      if (typeof number === 'number') found[word] = number
    } else if (word === 'group') group = words[++at]
    else if (word === 'inst') instance = words[++at]
    else if (at === 0) instance = word
  }
  return { instance, group: group === undefined ? undefined : (parseAddress(group) ?? group), numbers: found }
}

function isNumberWord(word: string): word is NumberWord {
  return Object.hasOwn(numbers, word)
}

function isMulticast(address: string): boolean {
  return parseAddress(address) !== undefined && isInNetwork(address, multicast[familyOf(address)])
}

const timeoutKeys = { tcp: 'tcp', tcpfin: 'tcpFin', udp: 'udp' } as const

/** 31 days, as Linux has it at most (ip_vs_set_timeout). */
const longestSeconds = 2_678_400

/** Seconds; what is left out or 0 stays as it is, as with `ipvsadm --set`. */
export function convertTimeouts(globals: readonly Entry[], say: Say): SettingsChange | undefined {
  const entry = lastOf(globals, 'lvs_timeouts')
  const words = entry?.words ?? []
  const timeouts = Object.fromEntries(
    Object.entries(timeoutKeys).flatMap(([word, key]) => {
      const at = words.indexOf(word)
      const seconds = at < 0 ? undefined : readInteger(words[at + 1] ?? '', { min: 1, max: 31_536_000 })
      if (typeof seconds !== 'number') return []
      if (seconds > longestSeconds && entry !== undefined)
        say('warning', entry.place, `${word} ${seconds} of lvs_timeouts is taken for 31 days`)
      return [[key, Math.min(seconds, longestSeconds)] as const]
    }),
  )
  return Object.keys(timeouts).length === 0 ? undefined : { timeouts }
}
