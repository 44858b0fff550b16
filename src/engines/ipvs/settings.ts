/** Timeouts and sysctls where the kernel keeps them: the configuration of the family, and /proc/sys/net/ipv4/vs. */
import { InfraError } from '../../errors.ts'
import {
  defaultSysctls,
  type Settings,
  type SettingsChange,
  type SysctlName,
  type Sysctls,
  sysctlNames,
} from '../../lvs/settings.ts'
import { decodeTimeouts, ipvsCommands, timeoutAttributes } from '../../wire/ipvs.ts'
import type { IpvsKernel } from './kernel.ts'

const folder = '/proc/sys/net/ipv4/vs'
/** Those that come with a scheduler's module. */
const modules: Partial<Record<SysctlName, string>> = { lblc_expiration: 'ip_vs_lblc', lblcr_expiration: 'ip_vs_lblcr' }

export async function readSettings(kernel: IpvsKernel): Promise<Settings> {
  const [answer] = await kernel.ask(ipvsCommands.getConfig, [], 'ask for the timeouts')
  const { tcp, tcpFin, udp } = decodeTimeouts(answer ?? new Uint8Array())
  const sysctls = await Promise.all(
    sysctlNames.map(async (name) => [name, (await readSysctl(kernel, name)) ?? defaultSysctls[name]] as const),
  )
  return { timeouts: { tcp, tcpFin, udp }, sysctls: Object.fromEntries(sysctls) as Sysctls }
}

/** @throws InfraError `unsupported` for a sysctl that this kernel has not. */
export async function writeSettings(kernel: IpvsKernel, { timeouts, sysctls }: SettingsChange): Promise<void> {
  if (timeouts !== undefined) {
    const attributes = timeoutAttributes({ tcp: 0, tcpFin: 0, udp: 0, ...timeouts })
    await kernel.ask(ipvsCommands.setConfig, attributes, 'set the timeouts')
  }
  for (const [key, value] of Object.entries(sysctls ?? {})) {
    const name = key as SysctlName
    const standing = await readSysctl(kernel, name)
    if (standing === value) continue
    if (standing === undefined) await provide(kernel, name, value)
    else await kernel.write(`${folder}/${name}`, `${value}\n`)
  }
}

async function provide(kernel: IpvsKernel, name: SysctlName, value: number): Promise<void> {
  const module = modules[name]
  if (module !== undefined) await kernel.loadModule(module)
  // What is as by default needs no file to say so.
  else if (value === defaultSysctls[name]) return
  if ((await readSysctl(kernel, name)) === undefined)
    throw new InfraError('unsupported', `this kernel has no ${folder}/${name}`, { subject: name })
  await kernel.write(`${folder}/${name}`, `${value}\n`)
}

async function readSysctl(kernel: IpvsKernel, name: SysctlName): Promise<number | undefined> {
  const text = await kernel.read(`${folder}/${name}`)
  return text === undefined ? undefined : Number(text.trim())
}
