/** Which engine stands behind a name. */
import { assertNever } from '../errors.ts'
import { localHost } from '../hosts/local/local.ts'
import type { ApplicationReport } from './application/calls.ts'
import { composedEngine } from './composed.ts'
import { ebpfCapabilities } from './ebpf/capabilities.ts'
import type { Engine, EngineCapabilities, EngineName, EngineReport } from './engine.ts'
import { fakeCapabilities, fakeEngine } from './fake/fake.ts'
import { ipvsCapabilities } from './ipvs/capabilities.ts'
import { composedCapabilities } from './shares.ts'
import { userspaceCapabilities, userspaceEngine } from './userspace/userspace.ts'

export type OpenEngineOptions = {
  readonly onReport?: (report: EngineReport) => void
  /** Of the ebpf engine. */
  readonly interfaces?: readonly string[]
}

/**
 * Opens an engine; `auto` takes the best that works here, which today is `userspace`.
 * @throws InfraError `unsupported` or `permission` where it cannot be used here.
 */
export async function openEngine(name: EngineName | 'auto', options: OpenEngineOptions = {}): Promise<Engine> {
  if (name === 'auto' || name === 'userspace') return withParts(await userspaceEngine(), options)
  if (name === 'ebpf') return withParts(await openEbpf(options), options)
  if (name === 'ipvs') return withParts(await openIpvs(), options)
  if (name === 'fake') return fakeEngine({ nowMs: () => performance.now() })
  return assertNever(name)
}

/** BATON_BPF_DIR: the BPF file system, where that is not at its usual place. */
async function openEbpf({ interfaces, onReport }: OpenEngineOptions): Promise<Engine> {
  const { ebpfEngine } = await import('./ebpf/ebpf.ts')
  const bpfFileSystem = process.env['BATON_BPF_DIR']
  return await ebpfEngine({
    ...(interfaces === undefined ? {} : { interfaces }),
    ...(bpfFileSystem === undefined ? {} : { bpfFileSystem }),
    ...(onReport === undefined ? {} : { onReport }),
  })
}

async function openIpvs(): Promise<Engine> {
  const { ipvsEngine } = await import('./ipvs/ipvs.ts')
  return await ipvsEngine(localHost())
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

/** What the engine of that name can do, without opening it; undefined when this build does not have it. */
export function capabilitiesOf(
  name: EngineName | 'auto',
): { readonly name: EngineName; readonly capabilities: EngineCapabilities } | undefined {
  if (name === 'auto' || name === 'userspace')
    return { name: 'userspace', capabilities: composedCapabilities(userspaceCapabilities) }
  if (name === 'ebpf') return { name, capabilities: composedCapabilities(ebpfCapabilities) }
  if (name === 'ipvs') return { name, capabilities: composedCapabilities(ipvsCapabilities) }
  if (name === 'fake') return { name, capabilities: fakeCapabilities }
  return undefined
}
