/** Locks of directors on the eBPF engine that were killed: the next director sweeps them, and a lab must not leave them to it. */
import { existsSync } from 'node:fs'
import { readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'

const lockDirectory = '/run/baton-ebpf'

/** Those of a network namespace, while it stands. */
export async function removeLocksOf(namespace: string): Promise<void> {
  const { ino } = await stat(`/run/netns/${namespace}`)
  for (const file of existsSync(lockDirectory) ? await readdir(lockDirectory) : [])
    if (file.startsWith(`ebpf-${ino}-`) || file.startsWith(`director-${ino}-`))
      await rm(join(lockDirectory, file), { force: true })
}
