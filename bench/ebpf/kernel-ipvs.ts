/**
 * The engine against the kernel's own IPVS: the same benchmark in a guest whose kernel has both. Its processors are emulated:
 * what is compared is how much code a packet runs through. Segmentation and large copies cost other shares than on real ones.
 */
import { join } from 'node:path'
import { execute } from '../../labs/ebpf/world.ts'
import { underOtherKernel } from '../../labs/kernel/guest.ts'

const root = join(import.meta.dirname, '../..')
const guestMs = 900_000

export async function besideKernelIpvs(): Promise<void> {
  const hasQemu = await execute('sh', ['-c', 'command -v qemu-system-x86_64']).then(
    () => true,
    () => false,
  )
  if (!hasQemu) {
    console.log('\nagainst the kernel’s IPVS: skipped, its guest needs qemu-system-x86_64')
    return
  }
  const words = ['--rounds', '3', '--seconds', '2']
  const bench = ['node', 'node_modules/tsx/dist/cli.mjs', 'bench/ebpf/bench.ts', '--guest', ...words]
  const script = `export HOME=/root PATH=${process.env['PATH'] ?? ''}\ncd ${root}\nuname -r\n${bench.join(' ')} 2>&1\n`
  const { code, output } = await underOtherKernel(script, { signal: AbortSignal.timeout(guestMs) })
  const [kernel, ...said] = output.trimEnd().split('\n')
  // Without the kernel's own messages.
  const lines = said.filter((line) => !/^\[ *\d+\.\d+\] /u.test(line))
  console.log(`\nagainst the kernel’s IPVS, under Linux ${kernel} on emulated processors:\n${lines.join('\n')}`)
  if (code !== 0) throw new Error(`the benchmark in the guest ended with ${code}`)
}
