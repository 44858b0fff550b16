/**
 * Addresses that a master has for the way only (Accept_Mode false, RFC 5798 §6.1): what is sent to them is dropped, what is sent
 * on by them is not, and neighbours are answered. Done by a table of nftables' that is ours alone, behind the hooks of IPVS, so
 * that its services take what is theirs before. It stands in every role: only a master gets packets for such an address, and
 * nothing waits for nft when the role changes.
 */
import { execFile } from 'node:child_process'
import { describeError } from '../errors.ts'
import { familyOf } from '../lvs/service.ts'
import { followNetlink } from '../os/netlink.ts'
import { turns } from '../turns.ts'
import { netfilterGroups, tableThatWent } from '../wire/nfnetlink.ts'
import type { Troubles } from './ground.ts'

/** An address where it stands. */
export type Refusal = { readonly address: string; readonly device: string }

const table = 'baton-vrrp'
/** IPVS takes the packets of its services at 98 and 99 (Linux, net/netfilter/ipvs/ip_vs_core.c). */
const priority = 110

export class AcceptMode implements AsyncDisposable {
  readonly #writing = turns()
  /** The rules as they stand; undefined: a daemon before this one may have left some. */
  #standing: string | undefined
  #wanted = ''
  #follow: Disposable | undefined

  /** Refuses these and no others. Gives back what hinders it: the addresses are like any others then. */
  async refuse(refused: readonly Refusal[]): Promise<Troubles> {
    this.#wanted = rulesFor(refused)
    const failure = await this.#write()
    if (failure === undefined) return []
    return refused.map(({ address }) => `packets to ${address} are accepted all the same: ${failure}`)
  }

  /** Takes the table away. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#follow?.[Symbol.dispose]()
    this.#wanted = ''
    await this.#write()
  }

  /** Why it cannot be done, in words. */
  #write(): Promise<string | undefined> {
    return this.#writing.take(async () => {
      const rules = this.#wanted
      if (rules === this.#standing) return undefined
      const isNothing = rules === '' && this.#standing === undefined && !(await isThere())
      const failure = isNothing ? undefined : await nft(['-f', '-'], rules === '' ? without : rules)
      if (failure === undefined) this.#standing = rules
      if (rules !== '') this.#watch()
      return failure
    })
  }

  /** `nft flush ruleset` of somebody else takes our table along: it is put back. */
  #watch(): void {
    this.#follow ??= followNetlink('netfilter', [netfilterGroups.nftables], (news) => {
      if (news.kind === 'messages' && !news.messages.some((one) => tableThatWent(one) === table)) return
      this.#standing = undefined
      void this.#write()
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

async function isThere(): Promise<boolean> {
  return (await nft(['list', 'table', 'inet', table])) === undefined
}

/** Why it could not be done, in words. */
function nft(words: readonly string[], input = ''): Promise<string | undefined> {
  return new Promise((resolve) => {
    const child = execFile('nft', words, { env: environment() }, (error, _, stderr) => {
      if (error === null) resolve(undefined)
      else if (typeof error.code === 'number') resolve(`nft says: ${stderr.trim().split('\n')[0] ?? ''}`)
      else resolve(`nft cannot be run (${describeError(error)}): install nftables`)
    })
    // What it did not read it tells of itself.
    child.stdin?.on('error', () => undefined).end(input)
  })
}

/** Services are often started without these. */
function environment(): NodeJS.ProcessEnv {
  return { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` }
}
