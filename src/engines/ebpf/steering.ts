/**
 * Firewall-mark services: the program meets packets before netfilter marks them. So, only while there is such a service, a
 * connection's first packet is let through to netfilter, and is brought to the program with its mark by a chain behind all
 * that mangles; all that follow find the connection in the program's table before that. `dup` is the one statement of
 * nftables that takes a packet out of PREROUTING to another interface: one end of a pair of our own, at whose other end the
 * program is. What it does not take goes up the stack from there. What is made here is marked by its name, and is ours alone.
 */
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { InfraError } from '../../errors.ts'
import type { Family, ServiceId } from '../../lvs/service.ts'
import { attachFilter } from '../../os/bpf.ts'
import { listInterfaces } from '../../os/interfaces.ts'
import { type LockFile, takeLockFile } from '../../os/lock-file.ts'
import { networkNamespaceId } from '../../os/network-namespace.ts'

/** Copies leave by the first, and come in by the second. */
export const steeringInterfaces = ['baton-steer0', 'baton-steer1'] as const
const [near, far] = steeringInterfaces
const macs = { near: '02:ba:70:00:00:00', far: '02:ba:70:00:00:01' } as const
/** Where copies seem to go: only the pair knows them. RFC 7600 §4.5, RFC 4291 §2.5.6. */
const nextHops = { ipv4: '192.0.0.8', ipv6: 'fe80::ba70:1' } as const
const nearAddress = 'fe80::ba70/64'
const tables = { ipv4: 'ip', ipv6: 'ip6' } as const
const families = ['ipv4', 'ipv6'] as const
/** Right behind the chains that mark, whose priority is -150. */
const priority = -149

export type Marks = Readonly<Record<Family, readonly number[]>>

/** In order, each once. */
export function marksOf(ids: readonly ServiceId[]): Marks {
  const ofFamily = (family: Family): number[] =>
    ids.flatMap((id) => (id.kind === 'fwmark' && id.family === family ? [id.mark] : []))
  const [ipv4, ipv6] = families.map((family) => [...new Set(ofFamily(family))].sort((a, b) => a - b))
  return { ipv4: ipv4 ?? [], ipv6: ipv6 ?? [] }
}

export class Steering {
  readonly #program: number
  readonly #lockDirectory: string
  #lock: LockFile | undefined
  /** The chains as this director has made them. */
  #chains = ''

  /** `program`: what looks at packets that bear a mark. */
  constructor(program: number, lockDirectory: string) {
    this.#program = program
    this.#lockDirectory = lockDirectory
  }

  /**
   * Makes it so for these marks; whatever else there was of ours goes.
   * @throws InfraError `missing-tool` or `unsupported` where packets cannot be brought here, `busy` while another director
   * of this namespace has such services; nothing is left behind then.
   */
  follow(marks: Marks): void {
    const chains = families.map((family) => chainOf(family, marks[family])).join('')
    if (chains === this.#chains) return
    if (chains === '') return this.remove()
    this.#own()
    try {
      if (!isThere()) makePair()
      attachFilter(this.#program, indexOf(far), 'in')
      run('nft', ['-f', '-'], `${withoutTables}${chains}`)
      this.#chains = chains
    } catch (error) {
      if (this.#chains === '') this.remove()
      throw error
    }
  }

  /** Takes away what is this director's. */
  remove(): void {
    this.#chains = ''
    if (this.#lock !== undefined) takeAway()
    this.release()
  }

  /** Leaves all as it is, for the next director. */
  release(): void {
    this.#lock?.[Symbol.dispose]()
    this.#lock = undefined
  }

  #own(): void {
    if (this.#lock !== undefined) return
    const lock = takeLockFile(lockOf(this.#lockDirectory))
    if ('holder' in lock)
      throw new InfraError('busy', `another director has firewall-mark services here: ${lock.holder}`, {
        subject: near,
        retryable: true,
        hint: 'one director of a network namespace can have them',
      })
    this.#lock = lock
  }
}

/** What a director that was killed has left, unless one that lives has it. */
export function removeSteering(lockDirectory: string): void {
  if (!isThere()) return
  const lock = takeLockFile(lockOf(lockDirectory))
  if ('holder' in lock) return
  takeAway()
  lock[Symbol.dispose]()
}

function lockOf(directory: string): string {
  return join(directory, `steering-${networkNamespaceId()}.lock`)
}

/** The pair goes last: it tells that there is something. */
function takeAway(): void {
  if (!isThere()) return
  spawnSync('nft', ['-f', '-'], { input: withoutTables, env: environment() })
  run('ip', ['link', 'delete', near])
}

function isThere(): boolean {
  return listInterfaces().some(({ name }) => name === near)
}

function indexOf(wanted: string): number {
  const found = listInterfaces().find(({ name }) => name === wanted)
  if (found === undefined) throw new InfraError('failed', `interface ${wanted} is gone`, { subject: wanted })
  return found.index
}

function makePair(): void {
  const ends = [near, 'address', macs.near, 'mtu', '65535', 'type', 'veth', 'peer', 'name', far]
  run('ip', ['link', 'add', ...ends, 'address', macs.far, 'mtu', '65535'])
  for (const name of steeringInterfaces) {
    // They are nobody's way but ours: no addresses of their own, and no questions for neighbours.
    run('ip', ['link', 'set', name, 'addrgenmode', 'none', 'arp', 'off'])
    run('ip', ['link', 'set', name, 'up'])
  }
  // Clients are not beyond this interface: their packets are not to be refused for that. RFC 3704 §2.4.
  writeFileSync(`/proc/sys/net/ipv4/conf/${far}/rp_filter`, '2')
  run('ip', ['neighbour', 'replace', nextHops.ipv4, 'lladdr', macs.far, 'dev', near, 'nud', 'permanent'])
  // A machine without IPv6 has no such address.
  if (!hasIpv6()) return
  run('ip', ['address', 'replace', nearAddress, 'dev', near, 'nodad'])
  run('ip', ['neighbour', 'replace', nextHops.ipv6, 'lladdr', macs.far, 'dev', near, 'nud', 'permanent'])
}

function hasIpv6(): boolean {
  return spawnSync('ip', ['-6', 'address', 'show', 'dev', 'lo'], { env: environment() }).stdout?.length > 0
}

/** The table and its chain, for one family. */
function chainOf(family: Family, marks: readonly number[]): string {
  if (marks.length === 0) return ''
  return `table ${tables[family]} baton {
  chain steer {
    type filter hook prerouting priority ${priority}; policy accept;
    iifname != "${far}" meta l4proto { tcp, udp } meta mark { ${marks.join(', ')} } dup to ${nextHops[family]} device "${near}" drop
  }
}
`
}

/** Ours go, where they are; to delete one that is not there is an error. */
const withoutTables = Object.values(tables)
  .map((family) => `add table ${family} baton\ndelete table ${family} baton\n`)
  .join('')

/** @throws InfraError */
function run(tool: 'ip' | 'nft', words: readonly string[], input = ''): void {
  const { error, status, stderr } = spawnSync(tool, words, { input, env: environment(), encoding: 'utf8' })
  if (error !== undefined)
    throw new InfraError('missing-tool', `firewall-mark services need ${tool}, which cannot be run`, {
      subject: tool,
      hint: tool === 'nft' ? 'install nftables' : 'install iproute2',
      cause: error,
    })
  if (status === 0) return
  const [reason = ''] = stderr.trim().split('\n')
  throw new InfraError('unsupported', `firewall-mark services cannot be set up: ${tool} says: ${reason}`, {
    subject: tool,
    hint: 'they need nftables with the statement dup (nft_dup_ipv4, nft_dup_ipv6) and veth in the kernel',
  })
}

/** Services are often started without these. */
function environment(): NodeJS.ProcessEnv {
  return { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` }
}
