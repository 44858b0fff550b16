/** What the engine needs of a machine whose kernel has IPVS; here of this machine itself. */
import { createReadStream } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { release } from 'node:os'
import { createInterface } from 'node:readline'
import { InfraError } from '../../errors.ts'
import type { Host } from '../../hosts/host.ts'
import { GenericFamily } from '../../os/generic-netlink.ts'
import { ipvsFamily } from '../../wire/ipvs.ts'
import type { Attribute } from '../../wire/netlink.ts'

/** Failures of `ask` and `list` are NetlinkErrors: the kernel's refusals by errno. */
export type IpvsKernel = Disposable & {
  ask(command: number, attributes: readonly Attribute[], verb: string): Promise<readonly Uint8Array[]>
  /** All that there are, in the kernel's order. */
  list(command: number, attributes: readonly Attribute[], verb: string): Promise<readonly Uint8Array[]>
  /** undefined when there is no such file. */
  read(path: string): Promise<string | undefined>
  write(path: string, content: string): Promise<void>
  lines(path: string): AsyncIterable<string>
  /** Whether the kernel has the module, loaded or not. */
  hasModule(name: string): Promise<boolean>
  loadModule(name: string): Promise<void>
}

const moduleMs = 20_000

/** Loads the module where it is not. @throws InfraError `unsupported` where there is none, `permission`. */
export async function openKernel(host: Host): Promise<IpvsKernel> {
  const family = GenericFamily.open(ipvsFamily) ?? (await loadedFamily(host))
  return {
    ask: async (command, attributes, verb) => family.request(command, attributes, verb),
    list: (command, attributes, verb) => family.dump(command, attributes, verb),
    read: (path) => readFile(path, 'utf8').catch(absent),
    write: (path, content) => writeFile(path, content),
    lines: (path) => createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY }),
    hasModule: (name) => hasModule(host, name),
    loadModule: (name) => loadModule(host, name),
    [Symbol.dispose]: () => family[Symbol.dispose](),
  }
}

async function loadedFamily(host: Host): Promise<GenericFamily> {
  await loadModule(host, 'ip_vs')
  const family = GenericFamily.open(ipvsFamily)
  if (family === undefined)
    throw new InfraError('unsupported', 'the module ip_vs is loaded, but the kernel does not answer for it', {
      subject: 'ip_vs',
    })
  return family
}

/** One that is loaded, built in, or among those that modprobe(8) would find. */
async function hasModule(host: Host, name: string): Promise<boolean> {
  const options = { signal: AbortSignal.timeout(moduleMs) }
  if ((await host.list(`/sys/module/${name}`, options)) !== undefined) return true
  for (const list of ['modules.builtin', 'modules.dep']) {
    const content = await host.readFile(`/lib/modules/${release()}/${list}`, options)
    if (content !== undefined && new TextDecoder().decode(content).includes(`/${name}.ko`)) return true
  }
  return false
}

async function loadModule(host: Host, name: string): Promise<void> {
  const { code, stderr } = await modprobe(host, [name])
  if (code === 0) return
  const isDenied = /not permitted/u.test(stderr)
  throw new InfraError(
    isDenied ? 'permission' : 'unsupported',
    `the module ${name} cannot be loaded: ${stderr.trim()}`,
    {
      subject: name,
      hint: isDenied ? 'run as root' : 'say engine: ebpf or userspace, which need no module',
    },
  )
}

function modprobe(host: Host, parameters: readonly string[]) {
  return host.run(['modprobe', ...parameters], { signal: AbortSignal.timeout(moduleMs) })
}

function absent(error: unknown): undefined {
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
  throw error
}
