/** Processor time of a chain's programs, and of the kernel's threads that carry their packets when there are many. */
import { readdir, readFile } from 'node:fs/promises'
import { execute } from '../../labs/ebpf/world.ts'
import type { Chain } from '../../labs/net/namespaces.ts'

/** USER_HZ: proc(5). */
const ticksPerSecond = 100

/**
 * Packets are carried in the time of who sends or receives them, which so includes the director's part. Kernels that keep
 * the time of interrupts apart (CONFIG_IRQ_TIME_ACCOUNTING) leave that out.
 */
export async function processorSeconds(chain: Chain): Promise<number> {
  const inside = await Promise.all(chain.namespaces.map((name) => execute('ip', ['netns', 'pids', name])))
  const processes = [...inside.flatMap(({ stdout }) => stdout.match(/\d+/gu) ?? []), ...(await kernelThreads())]
  const ticks = await Promise.all(processes.map(ticksOf))
  return ticks.reduce((sum, one) => sum + one, 0) / ticksPerSecond
}

let threads: readonly string[] | undefined

async function kernelThreads(): Promise<readonly string[]> {
  if (threads !== undefined) return threads
  const found: string[] = []
  for (const name of await readdir('/proc')) {
    const command = /^\d+$/u.test(name) ? await readFile(`/proc/${name}/comm`, 'utf8').catch(() => '') : ''
    if (command.startsWith('ksoftirqd/')) found.push(name)
  }
  threads = found
  return found
}

/** utime and stime; 0 for one that has ended. */
async function ticksOf(process: string): Promise<number> {
  const text = await readFile(`/proc/${process}/stat`, 'utf8').catch(() => '')
  // The name, which may hold anything, ends with the last parenthesis.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return Number(fields[11] ?? 0) + Number(fields[12] ?? 0)
}
