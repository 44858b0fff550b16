/** What this machine is, read from /proc and os-release(5). */
import { readFile } from 'node:fs/promises'
import { arch, availableParallelism, hostname, release } from 'node:os'
import { factsFrom } from '../facts.ts'
import type { HostFacts } from '../host.ts'

export async function readFacts(signal: AbortSignal): Promise<HostFacts> {
  const read = async (path: string): Promise<string> => readFile(path, { encoding: 'utf8', signal }).catch(() => '')
  const [osRelease, meminfo, cpuinfo, bootId] = await Promise.all([
    read('/etc/os-release'),
    read('/proc/meminfo'),
    read('/proc/cpuinfo'),
    read('/proc/sys/kernel/random/boot_id'),
  ])
  return factsFrom({
    hostname: hostname(),
    machine: arch() === 'x64' ? 'x86_64' : arch() === 'arm64' ? 'aarch64' : arch(),
    kernel: release(),
    osRelease,
    meminfo,
    cpuinfo,
    bootId,
    cpus: availableParallelism(),
    isRoot: process.getuid?.() === 0,
  })
}
