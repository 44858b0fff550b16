import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll } from 'vitest'
import type { Host } from '../../hosts/host.ts'
import { localHost } from '../../hosts/local/local.ts'
import { hypervisorContract } from '../hypervisor.contract.ts'
import type { GuestDefinition, GuestReach, Hypervisor } from '../hypervisor.ts'
import type { BuiltImage } from '../images/image.ts'
import { imageStore } from '../images/store.ts'
import { readyMark } from '../images/tiny-init.ts'
import { openHypervisor } from '../open.ts'

const patienceMs = 60_000
const soon = (): { signal: AbortSignal } => ({ signal: AbortSignal.timeout(patienceMs) })

let tiny: BuiltImage | undefined
beforeAll(async () => {
  tiny = await imageStore(localHost()).build('tiny', { kind: 'tiny' }, { signal: AbortSignal.timeout(240_000) })
})

function definition(name: string, change: Partial<GuestDefinition> = {}): GuestDefinition {
  if (tiny?.kernel === undefined || tiny.initrd === undefined) throw new Error('the image tiny was not built')
  return {
    name,
    memoryBytes: 96 * 1024 ** 2,
    vcpus: 1,
    image: tiny.digest,
    boot: { kind: 'kernel', kernel: tiny.kernel, initrd: tiny.initrd, cmdline: `${tiny.cmdline} baton.name=${name}` },
    disks: [],
    network: { kind: 'user', forwards: [{ protocol: 'tcp', port: 80 }] },
    autostart: false,
    ...change,
  }
}

type World = AsyncDisposable & { readonly host: Host; readonly root: string; readonly hypervisor: Hypervisor }

/** A host with directories of its own; at the end every guest in them is ended. */
async function openWorld(): Promise<World> {
  const root = await mkdtemp(join(tmpdir(), 'baton-qemu-'))
  const directories = { runtime: `${root}/run`, state: `${root}/state`, cache: `${root}/cache` }
  const host = localHost({ directories })
  const hypervisor = openHypervisor('qemu', host)
  return {
    host,
    root,
    hypervisor,
    async [Symbol.asyncDispose]() {
      for (const pid of await processesOf(root)) process.kill(pid, 'SIGKILL')
      await rm(root, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

/** Processes whose arguments name the directory. */
async function processesOf(root: string): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number)
  const lines = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')))
  return pids.filter((pid, index) => pid !== process.pid && lines[index]?.includes(root))
}

async function pidOf(hypervisor: Hypervisor, name: string): Promise<number> {
  const id = (await hypervisor.list(soon())).find((guest) => guest.definition.name === name)?.id
  if (id === undefined) throw new Error(`${name} has no process`)
  return id
}

async function request({ address, port }: GuestReach): Promise<string> {
  const response = await fetch(`http://${address}:${port}/`, { signal: AbortSignal.timeout(20_000) })
  return response.text()
}

async function filesBelow(directory: string): Promise<string[]> {
  return (await readdir(directory, { recursive: true }).catch(() => [])).map((name) => `${directory}/${name}`)
}

hypervisorContract('qemu', async () => {
  const world = await openWorld()
  const { host, root, hypervisor } = world
  return {
    hypervisor,
    definition,
    request,
    patienceMs,
    bootMark: readyMark,
    another: () => openHypervisor('qemu', host),
    kill: async (name) => void process.kill(await pidOf(hypervisor, name), 'SIGKILL'),
    async powerOff(name) {
      const console = await hypervisor.console(name, soon())
      console.write('\rpoweroff -f\r')
      console.resume()
      console.once('end', () => console.destroy())
    },
    leftovers: async () => [
      ...(await filesBelow(`${root}/state`)),
      ...(await filesBelow(`${root}/run`)),
      ...(await processesOf(root)).map(String),
    ],
    [Symbol.asyncDispose]: world[Symbol.asyncDispose],
  }
})
