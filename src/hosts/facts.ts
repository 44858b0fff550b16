/** What a machine is, from the texts of /proc and os-release(5): the same for this machine and for one over SSH. */
import type { HostFacts } from './host.ts'

export type FactTexts = {
  readonly hostname: string
  /** As uname(1) -m says it. */
  readonly machine: string
  /** As uname(1) -r says it. */
  readonly kernel: string
  readonly osRelease: string
  /** proc_meminfo(5) */
  readonly meminfo: string
  /** proc_cpuinfo(5) */
  readonly cpuinfo: string
  readonly bootId: string
  readonly cpus: number
  readonly isRoot: boolean
}

export function factsFrom(texts: FactTexts): HostFacts {
  const { hostname, machine, kernel, osRelease, meminfo, cpuinfo, bootId, cpus, isRoot } = texts
  return {
    hostname: hostname.trim(),
    architecture: machine.trim(),
    kernel: kernel.trim(),
    distribution: { id: osReleaseField(osRelease, 'ID'), version: osReleaseField(osRelease, 'VERSION_ID') },
    memoryBytes: meminfoBytes(meminfo, 'MemTotal'),
    availableMemoryBytes: meminfoBytes(meminfo, 'MemAvailable'),
    cpus,
    cpuFlags: (/^(?:flags|Features)\s*:\s*(.*)$/m.exec(cpuinfo)?.[1] ?? '').split(' ').filter((flag) => flag !== ''),
    isRoot,
    bootId: bootId.trim(),
  }
}

export function osReleaseField(text: string, field: string): string {
  const value = new RegExp(`^${field}=(.*)$`, 'm').exec(text)?.[1] ?? ''
  return value.replace(/^(["'])(.*)\1$/, '$2')
}

function meminfoBytes(text: string, field: string): number {
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1] ?? 0) * 1024
}
