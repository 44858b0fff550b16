/** Whether guests run on the CPU itself: a /dev/kvm that exists can still be unusable, so a guest is run to see. */
import { randomUUID } from 'node:crypto'
import { isInfraError } from '../../errors.ts'
import type { Host } from '../../hosts/host.ts'

export type Acceleration = { readonly kind: 'kvm' | 'tcg'; readonly reason: string }

/** A boot sector that writes 0x10 to the debug-exit port: `mov dx,0xf4; mov al,0x10; out dx,al; hlt`. */
const bootSector = Uint8Array.from(
  { length: 512 },
  (_, at) => [0xba, 0xf4, 0x00, 0xb0, 0x10, 0xee, 0xf4][at] ?? (at === 510 ? 0x55 : at === 511 ? 0xaa : 0),
)
/** isa-debug-exit ends QEMU with (value << 1) | 1. */
const bootedCode = 33
/** On a CPU that really runs it this takes a tenth of a second; a KVM that only limps takes many. */
const probeMs = 1_500

/** Asked once per boot of the host, then remembered in its cache. */
export async function findAcceleration(host: Host, options: { readonly signal: AbortSignal }): Promise<Acceleration> {
  const { bootId } = await host.facts(options)
  const path = `${host.directories.cache}/acceleration.json`
  const cached = await host.readFile(path, options)
  if (cached !== undefined) {
    const known = parseKnown(new TextDecoder().decode(cached))
    if (known?.bootId === bootId) return known
  }
  const found = await probe(host, options)
  await host.writeFile(path, JSON.stringify({ bootId, ...found }), options)
  return found
}

async function probe(host: Host, { signal }: { readonly signal: AbortSignal }): Promise<Acceleration> {
  const tcg = (reason: string): Acceleration => ({ kind: 'tcg', reason })
  const usable = await host.run(['sh', '-c', 'test -e /dev/kvm && exec 3<>/dev/kvm'], { signal })
  if (usable.code !== 0) return tcg('/dev/kvm is not there, or not open to this user (group kvm)')
  const { cpuFlags } = await host.facts({ signal })
  if (!cpuFlags.includes('vmx') && !cpuFlags.includes('svm'))
    return tcg('/dev/kvm is there, but this CPU shows neither vmx nor svm')
  const sector = `${host.directories.cache}/probe-${randomUUID()}.img`
  await host.writeFile(sector, bootSector, { signal })
  try {
    const result = await host.run(
      [
        ...[
          'qemu-system-x86_64',
          '-accel',
          'kvm',
          '-cpu',
          'host',
          '-m',
          '16',
          '-nodefaults',
          '-no-user-config',
          '-display',
          'none',
        ],
        ...['-drive', `file=${sector},format=raw,if=ide`, '-device', 'isa-debug-exit,iobase=0xf4,iosize=1'],
      ],
      { signal: AbortSignal.any([signal, AbortSignal.timeout(probeMs)]) },
    )
    if (result.code === bootedCode) return { kind: 'kvm', reason: 'a probe guest ran' }
    return tcg(`/dev/kvm is there, but a probe guest failed: ${result.stderr.trim().split('\n')[0] ?? result.code}`)
  } catch (error) {
    if (!signal.aborted && isInfraError(error, 'timeout'))
      return tcg('/dev/kvm is there, but a probe guest did not run in time')
    throw error
  } finally {
    await host.remove(sector, { signal: AbortSignal.timeout(5_000) })
  }
}

function parseKnown(text: string): (Acceleration & { readonly bootId: string }) | undefined {
  try {
    return JSON.parse(text) as Acceleration & { readonly bootId: string }
  } catch {
    return undefined
  }
}
