/** Whether guests run on the CPU itself: a /dev/kvm that exists can still be unusable, so a guest is run to see. */
import { randomUUID } from 'node:crypto'
import { within } from '../../deadline.ts'
import { InfraError, isInfraError } from '../../errors.ts'
import type { Host } from '../../hosts/host.ts'
import { runQemu } from './program.ts'

export type Acceleration = { readonly kind: 'kvm' | 'tcg'; readonly reason: string }

type Signalled = { readonly signal: AbortSignal }

/** A boot sector that writes 0x10 to the debug-exit port: `mov dx,0xf4; mov al,0x10; out dx,al; hlt`. */
const bootSector = Uint8Array.from(
  { length: 512 },
  (_, at) => [0xba, 0xf4, 0x00, 0xb0, 0x10, 0xee, 0xf4][at] ?? (at === 510 ? 0x55 : at === 511 ? 0xaa : 0),
)
/** isa-debug-exit ends QEMU with (value << 1) | 1. */
const bootedCode = 33
/** A CPU that really runs it takes a few tenths of a second; tried again once, since the host may be busy. */
const defaultProbeMs = 2_500
const probes = 2

/**
 * The probe guest runs once per boot of the host; then the cache knows. What is cheap to see is looked at each time.
 * @throws InfraError `unsupported` on a CPU that is not x86_64: guests are.
 */
export async function findAcceleration(
  host: Host,
  options: Signalled & { readonly probeMs?: number },
): Promise<Acceleration> {
  const { bootId, architecture, cpuFlags } = await host.facts(options)
  if (architecture !== 'x86_64')
    throw new InfraError('unsupported', `hypervisor qemu runs on x86_64 hosts, and this is ${architecture}`, {
      subject: host.name,
    })
  const missing = await missingForKvm(host, cpuFlags, options)
  if (missing !== undefined) return tcg(missing)
  const path = `${host.directories.cache}/acceleration.json`
  const known = parseKnown(await host.readFile(path, options))
  if (known?.bootId === bootId) return { kind: known.kind, reason: known.reason }
  const found = await probe(host, options.probeMs ?? defaultProbeMs, options)
  await host.writeFile(path, JSON.stringify({ bootId, ...found }), options)
  return found
}

const tcg = (reason: string): Acceleration => ({ kind: 'tcg', reason })

async function missingForKvm(host: Host, cpuFlags: readonly string[], options: Signalled): Promise<string | undefined> {
  const script = 'test -e /dev/kvm || exit 3; exec 3<>/dev/kvm'
  const { code } = await host.run(['sh', '-c', script], options)
  if (code === 3) return 'there is no /dev/kvm'
  if (code !== 0) return '/dev/kvm does not open for this user (is it in the group kvm?)'
  const isCapable = cpuFlags.includes('vmx') || cpuFlags.includes('svm')
  return isCapable ? undefined : '/dev/kvm is there, but this CPU shows neither vmx nor svm'
}

async function probe(host: Host, probeMs: number, { signal }: Signalled): Promise<Acceleration> {
  const sector = `${host.directories.cache}/probe-${randomUUID()}.img`
  await host.writeFile(sector, bootSector, { signal })
  try {
    let failure = ''
    for (let attempt = 0; attempt < probes; attempt += 1) {
      failure = await runProbe(host, sector, probeMs, signal)
      if (failure === '') return { kind: 'kvm', reason: 'a probe guest ran on it' }
    }
    return tcg(`/dev/kvm is there, but a probe guest ${failure}`)
  } finally {
    await host.remove(sector, { signal: AbortSignal.timeout(5_000) })
  }
}

/** '' when the guest came to its mark; otherwise what became of it. */
async function runProbe(host: Host, sector: string, probeMs: number, signal: AbortSignal): Promise<string> {
  try {
    const result = await runQemu(host, probeArguments(sector), {
      signal: within(signal, probeMs),
    })
    if (result.code === bootedCode) return ''
    return `failed: ${result.stderr.trim().split('\n')[0] || `exit code ${result.code}`}`
  } catch (error) {
    if (signal.aborted || !isInfraError(error)) throw error
    if (error.code === 'timeout') return `did not run within ${probeMs / 1000} s`
    throw error
  }
}

function probeArguments(sector: string): string[] {
  const machine = '-accel kvm -cpu host -m 16 -nodefaults -no-user-config -display none'
  const exit = '-device isa-debug-exit,iobase=0xf4,iosize=1'
  return [...machine.split(' '), '-drive', `file=${sector},format=raw,if=ide`, ...exit.split(' ')]
}

function parseKnown(content: Uint8Array | undefined): (Acceleration & { readonly bootId: string }) | undefined {
  if (content === undefined) return undefined
  try {
    const value = JSON.parse(new TextDecoder().decode(content)) as Partial<Acceleration & { readonly bootId: string }>
    const { kind, reason, bootId } = value
    if (kind === undefined || reason === undefined || bootId === undefined) return undefined
    return { kind, reason, bootId }
  } catch {
    return undefined // the cache may be damaged or deleted at any time
  }
}
