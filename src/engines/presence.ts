/** Which engines this machine has: asked of its kernel and its files, without starting or loading anything. */
import { existsSync, readFileSync } from 'node:fs'
import { release } from 'node:os'
import { describeError, isInfraError } from '../errors.ts'
import { throwIfNoBpf } from '../os/bpf.ts'
import { missingCapabilities } from '../os/capabilities.ts'
import { GenericFamily } from '../os/generic-netlink.ts'
import { ipvsFamily } from '../wire/ipvs.ts'
import type { Candidate, Presence } from './choice.ts'
import { ebpfCapabilities } from './ebpf/capabilities.ts'
import { throwIfUnprivileged } from './ebpf/program.ts'
import type { EngineName } from './engine.ts'
import { fakeCapabilities } from './fake/fake.ts'
import { ipvsCapabilities } from './ipvs/capabilities.ts'
import { composedCapabilities } from './shares.ts'
import { userspaceCapabilities } from './userspace/userspace.ts'

/** Those that `auto` chooses from, the best first. Who pretends goes on pretending. */
export function candidates(standing?: EngineName): readonly Candidate[] {
  const isThere = { kind: 'there' } as const
  return [
    ...(standing === 'fake' ? [{ name: standing, presence: isThere, capabilities: fakeCapabilities }] : []),
    { name: 'ebpf', presence: ebpfPresence(), capabilities: composedCapabilities(ebpfCapabilities) },
    { name: 'ipvs', ...ipvsPresence(), capabilities: composedCapabilities(ipvsCapabilities) },
    { name: 'userspace', presence: isThere, capabilities: composedCapabilities(userspaceCapabilities) },
  ]
}

/** bpf_redirect_neigh with a next hop, and what else the program calls. */
const oldestForEbpf = [5, 15] as const
const tableFile = '/proc/net/ip_vs'
/** The version, and two of titles. */
const headLines = 3

function ebpfPresence(): Presence {
  const [major = 0, minor = 0] = release().split('.').map(Number)
  const [oldest, least] = oldestForEbpf
  if (major < oldest || (major === oldest && minor < least))
    return { kind: 'absent', reason: `Linux ${release()} is older than ${oldest}.${least}` }
  try {
    throwIfUnprivileged()
    throwIfNoBpf()
    return { kind: 'there' }
  } catch (error) {
    if (isInfraError(error)) return { kind: 'absent', reason: error.message }
    return { kind: 'unknown', reason: describeError(error) }
  }
}

function ipvsPresence(): Pick<Candidate, 'presence' | 'isInUse'> {
  if (missingCapabilities(['CAP_NET_ADMIN']).length > 0)
    return { presence: { kind: 'absent', reason: 'the ipvs engine needs root: this process lacks CAP_NET_ADMIN' } }
  // Before the family is asked for: the kernel loads the module of one that it has not.
  if (!existsSync(tableFile)) return { presence: ipvsModule() }
  try {
    using family = GenericFamily.open(ipvsFamily)
    if (family === undefined)
      return { presence: { kind: 'unknown', reason: `${tableFile} is there, the family is not` } }
    const lines = readFileSync(tableFile, 'utf8').trim().split('\n')
    return { presence: { kind: 'there' }, isInUse: lines.length > headLines }
  } catch (error) {
    return { presence: { kind: 'unknown', reason: describeError(error) } }
  }
}

/** One that is not loaded, as modprobe(8) would find it. */
function ipvsModule(): Presence {
  if (!existsSync('/proc/modules')) return { kind: 'absent', reason: 'this kernel has no ip_vs, and takes no modules' }
  const list = `/lib/modules/${release()}/modules.dep`
  if (!existsSync(list))
    return { kind: 'unknown', reason: `there is no ${list} that could say whether there is a module ip_vs` }
  if (!/\/ip_vs\.ko/u.test(readFileSync(list, 'utf8')))
    return { kind: 'absent', reason: `there is no module ip_vs for Linux ${release()}` }
  if (missingCapabilities(['CAP_SYS_MODULE']).length > 0)
    return { kind: 'absent', reason: 'the module ip_vs is not loaded, and this process lacks CAP_SYS_MODULE' }
  return { kind: 'there' }
}
