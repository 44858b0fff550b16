/** A host of its own to run real QEMU guests on: directories that go away, and every process that names them. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { GuestDefinition, GuestReach, Hypervisor } from '../../src/guests/hypervisor.ts'
import { imageStore } from '../../src/guests/images/store.ts'
import { openHypervisor } from '../../src/guests/open.ts'
import type { Host } from '../../src/hosts/host.ts'
import { localHost } from '../../src/hosts/local/local.ts'

/** How long one operation may take: guests share the CPUs with each other. */
export const patienceMs = 60_000
export const soon = (): { signal: AbortSignal } => ({ signal: AbortSignal.timeout(patienceMs) })

export type GuestWorld = AsyncDisposable & {
  readonly host: Host
  readonly hypervisor: Hypervisor
  /** Processes and files of this world's guests. */
  readonly leftovers: () => Promise<readonly string[]>
  readonly processes: () => Promise<readonly number[]>
}

export async function openGuestWorld(name: 'qemu' | 'libvirt' = 'qemu'): Promise<GuestWorld> {
  const root = await mkdtemp(join(tmpdir(), 'baton-guests-'))
  const host = localHost({ directories: { runtime: `${root}/run`, state: `${root}/state`, cache: `${root}/cache` } })
  return {
    host,
    hypervisor: openHypervisor(name, host),
    processes: () => processesOf(root),
    leftovers: async () => [
      ...(await filesBelow(`${root}/state`)),
      ...(await filesBelow(`${root}/run`)),
      ...(await processesOf(root)).map((pid) => `process ${pid}`),
    ],
    async [Symbol.asyncDispose]() {
      for (const pid of await processesOf(root)) killQuietly(pid)
      await rm(root, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

export type TinyGuest = (name: string, change?: Partial<GuestDefinition>) => GuestDefinition

/** Guests of the image `tiny`, from the user's own image cache: they answer HTTP on port 80 with their name. */
export async function tinyGuests(): Promise<TinyGuest> {
  const signal = AbortSignal.timeout(240_000)
  const { digest, kernel, initrd, cmdline } = await imageStore(localHost()).build('tiny', { kind: 'tiny' }, { signal })
  if (kernel === undefined || initrd === undefined) throw new Error('the image tiny has no kernel')
  return (name, change = {}) => ({
    name,
    memoryBytes: 96 * 1024 ** 2,
    vcpus: 1,
    image: digest,
    boot: { kind: 'kernel', kernel, initrd, cmdline: `${cmdline} baton.name=${name}` },
    disks: [],
    network: { kind: 'user', forwards: [{ protocol: 'tcp', port: 80 }] },
    autostart: false,
    ...change,
  })
}

export async function request({ address, port }: Pick<GuestReach, 'address' | 'port'>, path = '/'): Promise<string> {
  const response = await fetch(`http://${address}:${port}${path}`, { signal: AbortSignal.timeout(20_000) })
  return response.text()
}

/** QEMU processes whose arguments name the directory. */
async function processesOf(root: string): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number)
  const lines = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')))
  return pids.filter(
    (_pid, index) => /^(?:\/\S*\/)?qemu-system/.test(lines[index] ?? '') && lines[index]?.includes(root),
  )
}

async function filesBelow(directory: string): Promise<string[]> {
  return (await readdir(directory, { recursive: true }).catch(() => [])).map((name) => `${directory}/${name}`)
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It ended by itself.
  }
}
