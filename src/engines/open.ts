/** Which engine stands behind a name. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { assertNever } from '../errors.ts'
import { localHost } from '../hosts/local/local.ts'
import { synchronisedCapabilities, synchronisedEngine } from '../sync/synchronised.ts'
import type { ApplicationReport } from './application/calls.ts'
import type { EngineChoice } from './choice.ts'
import { composedEngine } from './composed.ts'
import { ebpfCapabilities } from './ebpf/capabilities.ts'
import type { EbpfTuning } from './ebpf/tuning.ts'
import type { Engine, EngineName, EngineReport } from './engine.ts'
import { fakeCapabilities, fakeEngine } from './fake/fake.ts'
import { ipvsCapabilities } from './ipvs/capabilities.ts'
import { composedCapabilities } from './shares.ts'
import { userspaceCapabilities, userspaceEngine } from './userspace/userspace.ts'

export type OpenEngineOptions = {
  readonly onReport?: (report: EngineReport) => void
  readonly ebpf?: EbpfTuning
  /** The runtime directory: which director of this machine it is. */
  readonly director?: string
}

/** @throws InfraError `unsupported` or `permission` where it cannot be used here. */
export async function openEngine(name: EngineName, options: OpenEngineOptions = {}): Promise<Engine> {
  // Its packets would never come to another engine.
  if (name !== 'ebpf') await removeEbpfTraces(options.director)
  if (name === 'userspace') return withParts(synchronisedEngine(await userspaceEngine()), options)
  if (name === 'ebpf') return withParts(synchronisedEngine(await openEbpf(options)), options)
  if (name === 'ipvs') return withParts(await openIpvs(options), options)
  if (name === 'fake') return synchronisedEngine(fakeEngine({ nowMs: () => performance.now() }))
  return assertNever(name)
}

async function openEbpf({ ebpf, director, onReport }: OpenEngineOptions): Promise<Engine> {
  const { ebpfEngine } = await import('./ebpf/ebpf.ts')
  return await ebpfEngine({
    bpfFileSystem: bpfFileSystem(),
    ...ebpf,
    ...(director === undefined ? {} : { director }),
    ...(onReport === undefined ? {} : { onReport }),
  })
}

async function openIpvs({ onReport }: OpenEngineOptions): Promise<Engine> {
  const { ipvsEngine } = await import('./ipvs/ipvs.ts')
  return await ipvsEngine(localHost(), onReport)
}

/** BATON_BPF_DIR: where it is not at its usual place. */
function bpfFileSystem(): string {
  return process.env['BATON_BPF_DIR'] ?? '/sys/fs/bpf'
}

/**
 * Takes away what the eBPF program of a director that has ended still does here. Whether there was anything.
 * @throws InfraError `busy` while that director lives.
 */
export async function removeEbpfTraces(director: string | undefined): Promise<boolean> {
  const root = bpfFileSystem()
  if (director === undefined || !existsSync(join(root, 'baton'))) return false
  const { defaultGround, removeTraces } = await import('./ebpf/ground.ts')
  return removeTraces({ ...defaultGround, bpfFileSystem: root, director }) !== undefined
}

/** Loaded when the first service needs them: most directors start without. */
function withParts(base: Engine, { onReport }: OpenEngineOptions): Engine {
  return composedEngine(base, {
    application: async () => {
      const { applicationEngine } = await import('./application/application.ts')
      return await applicationEngine({ onReport: (report) => onReport?.(plainReport(report)) })
    },
    dns: async () => {
      const { dnsEngine } = await import('./dns/dns.ts')
      return await dnsEngine()
    },
  })
}

function plainReport(report: ApplicationReport): EngineReport {
  if (report.kind === 'fault') return { kind: 'fault', subject: 'application engine', message: report.reason }
  const { service: subject, file } = report
  if (report.kind === 'certificate.reloaded') return { kind: 'well', subject, message: `${file} was read again` }
  return { kind: 'trouble', subject, message: `${file} is no good, the old certificate serves on: ${report.reason}` }
}

/** What the engine of that name can do, without opening it. */
export function capabilitiesOf(name: EngineName): Pick<EngineChoice, 'name' | 'capabilities'> {
  if (name === 'userspace')
    return { name, capabilities: composedCapabilities(synchronisedCapabilities(userspaceCapabilities)) }
  if (name === 'ebpf') return { name, capabilities: composedCapabilities(synchronisedCapabilities(ebpfCapabilities)) }
  if (name === 'ipvs') return { name, capabilities: composedCapabilities(ipvsCapabilities) }
  if (name === 'fake') return { name, capabilities: fakeCapabilities }
  return assertNever(name)
}
