/** What this machine is, read from /proc and os-release(5). */
import { readFile } from 'node:fs/promises'
import { arch, availableParallelism, hostname, release } from 'node:os'
import type { HostFacts } from '../host.ts'

export async function readFacts(signal: AbortSignal): Promise<HostFacts> {
  const read = async (path: string): Promise<string> => readFile(path, { encoding: 'utf8', signal }).catch(() => '')
  const [osRelease, memory, cpu, bootId] = await Promise.all([
    read('/etc/os-release'),
    read('/proc/meminfo'),
    read('/proc/cpuinfo'),
    read('/proc/sys/kernel/random/boot_id'),
  ])
  return {
    hostname: hostname(),
    architecture: arch() === 'x64' ? 'x86_64' : arch() === 'arm64' ? 'aarch64' : arch(),
    kernel: release(),
    distribution: { id: osReleaseField(osRelease, 'ID'), version: osReleaseField(osRelease, 'VERSION_ID') },
    memoryBytes: meminfoBytes(memory, 'MemTotal'),
    availableMemoryBytes: meminfoBytes(memory, 'MemAvailable'),
    cpus: availableParallelism(),
    cpuFlags: (/^(?:flags|Features)\s*:\s*(.*)$/m.exec(cpu)?.[1] ?? '').split(' ').filter((flag) => flag !== ''),
    isRoot: process.getuid?.() === 0,
    bootId: bootId.trim(),
  }
}

function osReleaseField(text: string, field: string): string {
  const value = new RegExp(`^${field}=(.*)$`, 'm').exec(text)?.[1] ?? ''
  return value.replace(/^(["'])(.*)\1$/, '$2')
}

function meminfoBytes(text: string, field: string): number {
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1] ?? 0) * 1024
}
