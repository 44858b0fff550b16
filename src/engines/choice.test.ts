import { describe, expect, test } from 'vitest'
import type { Forwarding } from '../lvs/service.ts'
import { type Candidate, chooseEngine, type Presence } from './choice.ts'
import { addServer, addService, aServer, aService } from './engine.contract.ts'
import type { EngineChange, EngineName } from './engine.ts'
import { capabilitiesOf } from './open.ts'

const there: Presence = { kind: 'there' }
const gone: Presence = { kind: 'absent', reason: 'not on this machine' }
const unknown: Presence = { kind: 'unknown', reason: 'nobody answers' }

type Machine = { readonly ebpf?: Presence; readonly ipvs?: Presence; readonly isInUse?: boolean }
const candidates = ({ ebpf = there, ipvs = there, isInUse = false }: Machine): Candidate[] => [
  { ...capabilitiesOf('ebpf'), presence: ebpf },
  { ...capabilitiesOf('ipvs'), presence: ipvs, isInUse },
  { ...capabilitiesOf('userspace'), presence: there },
]

const id = { kind: 'address', protocol: 'tcp', address: '10.0.0.1', port: 80 } as const
const web = (forwarding: Forwarding = 'masq', address = '10.9.0.2'): EngineChange[] => [
  addService(aService(id)),
  addServer(id, aServer(80, { address, forwarding })),
]
const sctp: EngineChange[] = [addService(aService({ ...id, protocol: 'sctp' }))]
const proxied: EngineChange[] = [addService(aService(id, { proxyProtocol: 'v1' }))]
const read: EngineChange[] = [addService(aService(id, { application: { kind: 'sni', rules: [] } }))]

type Case = {
  readonly name: string
  readonly needs: readonly EngineChange[]
  readonly machine?: Machine
  readonly standing?: EngineName
  readonly is: EngineName
  readonly reason: string
}

describe('the engine that auto is', () => {
  test.each<Case>([
    { name: 'in the kernel where it can be', needs: web(), is: 'ebpf', reason: 'it can carry all, in the kernel' },
    { name: 'ipvs where eBPF is not there', needs: web(), machine: { ebpf: gone }, is: 'ipvs', reason: 'not ebpf: not on this machine' },
    { name: 'ipvs for what eBPF cannot carry', needs: sctp, is: 'ipvs', reason: 'not ebpf: the ebpf engine does not carry sctp' },
    { name: 'ipvs where it is in use', needs: web('direct'), machine: { isInUse: true }, is: 'ipvs', reason: 'it has services here already' },
    { name: 'one that could not be asked is not taken', needs: web(), machine: { ebpf: unknown, ipvs: unknown }, is: 'userspace', reason: 'not ebpf: could not be asked: nobody answers; not ipvs: could not be asked: nobody answers' },
    { name: 'userspace without privileges', needs: web(), machine: { ebpf: gone, ipvs: gone }, is: 'userspace', reason: 'not ebpf: not on this machine; not ipvs: not on this machine' },
    { name: 'userspace for a server of this machine itself', needs: web('masq', '127.0.0.2'), machine: { ipvs: gone }, is: 'userspace', reason: 'not ebpf: 127.0.0.2 is this machine itself: no packet passes by; not ipvs: not on this machine' },
    { name: 'userspace for what only it can', needs: proxied, machine: { ipvs: gone }, is: 'userspace', reason: 'not ebpf: the ebpf engine cannot speak the PROXY protocol; not ipvs: not on this machine' },
    { name: 'userspace where all is read', needs: read, machine: { ipvs: gone }, is: 'userspace', reason: 'not ebpf: no service needs it; not ipvs: not on this machine' },
    { name: 'what ran before, while it can', needs: web(), standing: 'userspace', is: 'userspace', reason: 'it ran here before' },
    { name: 'another one than before, when that cannot any more', needs: web('direct'), standing: 'userspace', is: 'ebpf', reason: 'it can carry all, in the kernel' },
  ])('$name', ({ needs, machine = {}, standing, is, reason }) => {
    expect(chooseEngine(needs, candidates(machine), standing)).toMatchObject({ name: is, reason })
  }) // biome-ignore format: a table

  test('where none can carry all it is the one that refuses least, and says why not the others', () => {
    const wanted = [...web('direct'), ...proxied, ...sctp]
    const choice = chooseEngine(wanted, candidates({ ebpf: gone }), undefined)
    expect(choice).toMatchObject({ name: 'ipvs', reason: 'no engine here can carry all' })
    expect(choice.missing).toBe(
      'ebpf: not on this machine; ipvs: the ipvs engine cannot speak the PROXY protocol; userspace: the userspace engine cannot forward by direct',
    )
  })
})
