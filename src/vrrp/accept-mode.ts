/**
 * Addresses that a master has for the way only (Accept_Mode false, RFC 5798 §6.1): what is sent to them is dropped, what is sent
 * on by them is not, and neighbours are answered. Done by a table of nftables' that is ours alone, behind the hooks of IPVS, so
 * that its services take what is theirs before.
 */
import { spawnSync } from 'node:child_process'
import { describeError } from '../errors.ts'
import { familyOf } from '../lvs/service.ts'
import { followNetlink } from '../os/netlink.ts'
import { netfilterGroups, tableThatWent } from '../wire/nfnetlink.ts'
import type { Troubles } from './ground.ts'

/** An address where it stands. */
export type Refusal = { readonly address: string; readonly device: string }

const table = 'baton-vrrp'
/** IPVS takes the packets of its services at 98 and 99 (Linux, net/netfilter/ipvs/ip_vs_core.c). */
const priority = 110

export class AcceptMode implements Disposable {
  readonly #refused = new Map<string, Refusal>()
  /** The table as it stands; undefined: it is not known. */
  #standing: string | undefined
  #follow: Disposable | undefined

  /** Gives back what hinders it: the address is like any other then. */
  refuse(addresses: readonly Refusal[]): Troubles {
    for (const one of addresses) this.#refused.set(keyOf(one), one)
    return this.#write()
  }

  accept(addresses: readonly Refusal[]): Troubles {
    for (const one of addresses) this.#refused.delete(keyOf(one))
    return this.#write()
  }

  /** Takes away what a daemon that was killed has left. */
  clear(): Troubles {
    if (this.#standing === undefined && isThere()) this.#standing = 'what another one left'
    return this.#write()
  }

  [Symbol.dispose](): void {
    this.#follow?.[Symbol.dispose]()
    this.#refused.clear()
    this.#write()
  }

  #write(): Troubles {
    const rules = rulesFor([...this.#refused.values()])
    if (rules === (this.#standing ?? '')) return []
    const failure = nft(rules === '' ? without : rules)
    if (failure !== undefined)
      return rules === ''
        ? [`the table ${table} of nftables is left behind: ${failure}`]
        : [...this.#refused.values()].map(
            ({ address }) => `packets to ${address} are accepted all the same: ${failure}`,
          )
    this.#standing = rules
    if (rules !== '') this.#watch()
    return []
  }

  /** `nft flush ruleset` of somebody else takes our table along: it is put back. */
  #watch(): void {
    this.#follow ??= followNetlink('netfilter', [netfilterGroups.nftables], (news) => {
      const isGone = news.kind === 'missed' ? !isThere() : news.messages.some((one) => tableThatWent(one) === table)
      if (!isGone || this.#refused.size === 0) return
      this.#standing = ''
      this.#write()
    })
  }
}

/** Empty for no addresses. Declared and emptied first, it takes the place of what is there, all at once. */
function rulesFor(refused: readonly Refusal[]): string {
  if (refused.length === 0) return ''
  const lines = refused.map(({ address, device }) => {
    if (familyOf(address) === 'ipv4') return `ip daddr ${address} drop`
    // One link's address may be another one's, too.
    return `${address.startsWith('fe80:') ? `iifname "${device}" ` : ''}ip6 daddr ${address} drop`
  })
  const chain = `chain in {
    type filter hook input priority ${priority}; policy accept;
`
  return `table inet ${table} {
  ${chain}  }
}
flush table inet ${table}
table inet ${table} {
  ${chain}    icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
    ${lines.join('\n    ')}
  }
}
`
}

/** To delete one that is not there is an error. */
const without = `add table inet ${table}
delete table inet ${table}
`

function isThere(): boolean {
  return spawnSync('nft', ['list', 'table', 'inet', table], { env: environment(), stdio: 'ignore' }).status === 0
}

/** Why it could not be done, in words. */
function nft(input: string): string | undefined {
  const { error, status, stderr } = spawnSync('nft', ['-f', '-'], { input, env: environment(), encoding: 'utf8' })
  if (error !== undefined) return `nft cannot be run (${describeError(error)}): install nftables`
  return status === 0 ? undefined : `nft says: ${stderr.trim().split('\n')[0] ?? ''}`
}

/** Services are often started without these. */
function environment(): NodeJS.ProcessEnv {
  return { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` }
}

function keyOf({ address, device }: Refusal): string {
  return `${address} ${device}`
}
