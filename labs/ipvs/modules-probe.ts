/**
 * Runs in a guest with the modules of its kernel in /run/modules, and none of IPVS loaded: what `auto` finds and the engine
 * does while modprobe(8) has no list of modules, one of others, and one with IPVS. Prints JSON.
 */
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync } from 'node:fs'
import { release } from 'node:os'
import { chooseEngine } from '../../src/engines/choice.ts'
import type { Engine, EngineChange } from '../../src/engines/engine.ts'
import { ipvsEngine } from '../../src/engines/ipvs/ipvs.ts'
import { candidates } from '../../src/engines/presence.ts'
import { isInfraError } from '../../src/errors.ts'
import { localHost } from '../../src/hosts/local/local.ts'
import type { SchedulerName, ServiceId } from '../../src/lvs/service.ts'

export type Probed = {
  /** What `auto` says of ipvs for a service that eBPF refuses, and which engine it takes. */
  readonly noList: Asked
  readonly otherModules: Asked
  readonly notLoaded: Asked
  readonly inUse: Asked
  /** What is said where it cannot be loaded. */
  readonly refused: string
  readonly loaded: {
    readonly before: readonly string[]
    readonly opened: readonly string[]
    readonly scheduler: string[]
  }
  readonly schedulers: readonly SchedulerName[]
  readonly missingScheduler: string
  readonly missingSysctl: string
  /** The file after it was set, and after it was set back. */
  readonly conntrack: readonly [string, string]
}

export type Asked = { readonly presence: string; readonly engine: string }

const folder = `/lib/modules/${release()}`
const host = localHost()
const options = (): { signal: AbortSignal } => ({ signal: AbortSignal.timeout(60_000) })
const id = (port: number): ServiceId => ({ kind: 'address', protocol: 'sctp', address: '10.50.0.1', port })
const addService = (port: number, scheduler: SchedulerName): EngineChange => ({
  kind: 'service.add',
  service: { id: id(port), scheduler, schedulerFlags: [], onePacket: false },
})

function ask(): Asked {
  const all = candidates()
  const presence = all.find(({ name }) => name === 'ipvs')?.presence
  const said = presence === undefined || presence.kind === 'there' ? '' : `: ${presence.reason}`
  return { presence: `${presence?.kind}${said}`, engine: chooseEngine([addService(80, 'wlc')], all).name }
}

function loaded(): string[] {
  const names = readFileSync('/proc/modules', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[0] ?? '')
  return names.filter((name) => name.startsWith('ip_vs')).toSorted()
}

async function refusalOf(doing: Promise<unknown>): Promise<string> {
  try {
    await doing
    return 'not refused'
  } catch (error) {
    return isInfraError(error) ? `${error.code}: ${error.message}` : String(error)
  }
}

// It warns of files that this folder has not.
const depmod = (): unknown => execFileSync('depmod', { stdio: 'ignore' })
const noList = ask()
mkdirSync(`${folder}/extra`, { recursive: true })
depmod()
const otherModules = ask()
const refused = await refusalOf(ipvsEngine(host))
cpSync('/run/modules', `${folder}/extra`, { recursive: true })
depmod()
const notLoaded = ask()
const before = loaded()
const engine: Engine = await ipvsEngine(host)
const opened = loaded()
await engine.apply([addService(80, 'wlc')], options())
const scheduler = loaded()
const inUse = ask()
const missingScheduler = await refusalOf(engine.apply([addService(81, 'mh')], options()))
const set = (sysctls: Readonly<Record<string, number>>): Promise<void> =>
  engine.apply([{ kind: 'settings', settings: { sysctls } }], options())
const missingSysctl = await refusalOf(set({ lblc_expiration: 5 }))
const file = (): string => readFileSync('/proc/sys/net/ipv4/vs/conntrack', 'utf8').trim()
await set({ conntrack: 1 })
const on = file()
await set({ conntrack: 0 })
const probed: Probed = {
  noList,
  otherModules,
  notLoaded,
  inUse,
  refused,
  loaded: { before, opened, scheduler },
  schedulers: engine.capabilities.schedulers,
  missingScheduler,
  missingSysctl,
  conntrack: [on, file()],
}
await engine[Symbol.asyncDispose]()
process.stdout.write(`${JSON.stringify(probed)}\n`)
