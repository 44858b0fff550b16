/** A site: one host of the cluster with everything that Baton speaks to there. */
import { directorClient } from '../api/client.ts'
import { launchDirector, stopDirector } from '../api/launch.ts'
import type { DirectorControl } from '../director/control.ts'
import type { EngineName } from '../engines/engine.ts'
import type { Hypervisor } from '../guests/hypervisor.ts'
import { type ImageStore, imageStore } from '../guests/images/store.ts'
import { openHypervisor } from '../guests/open.ts'
import type { Directories, Host } from '../hosts/host.ts'
import { localHost } from '../hosts/local/local.ts'
import type { ClusterSpec, HostSpec } from './spec/model.ts'

type CallOptions = { readonly signal: AbortSignal }

export type Site = {
  readonly name: string
  readonly host: Host
  readonly hypervisor: Hypervisor
  readonly images: ImageStore
  readonly director: DirectorAccess
}

export type DirectorAccess = {
  /** Its methods throw `not-found` while none runs. */
  readonly control: DirectorControl
  /** Makes sure that one with this engine runs, for this cluster. */
  launch(engine: EngineName | 'auto', cluster: string, options: CallOptions): Promise<void>
  stop(options: CallOptions): Promise<void>
}

/** The command that runs this very Baton, for the daemons that outlive the command. */
export function thisProgram(): readonly string[] {
  return [process.execPath, ...process.execArgv, process.argv[1] ?? 'baton']
}

export function openSites(
  spec: Pick<ClusterSpec, 'hosts'>,
  program: readonly string[] = thisProgram(),
): ReadonlyMap<string, Site> {
  return new Map(Object.entries(spec.hosts).map(([name, host]) => [name, openSite(name, host, program)]))
}

function openSite(name: string, spec: HostSpec, program: readonly string[]): Site {
  const machine = localHost({ name })
  const host = spec.hypervisor === 'fake' ? pretendedHost(name) : machine
  return {
    name,
    host,
    hypervisor: openHypervisor(spec.hypervisor, host),
    images: imageStore(host),
    director: directorAccess(machine, program),
  }
}

export function directorAccess(host: Host, program: readonly string[]): DirectorAccess {
  return {
    control: directorClient(host),
    launch: async (engine, cluster, options) =>
      void (await launchDirector(host, { engine, program }, options, cluster)),
    stop: (options) => stopDirector(host, options),
  }
}

/** Pretended hosts all live on this machine: each keeps its guests in a folder of its own. */
export function pretendedHost(name: string): Host {
  const { directories } = localHost()
  return localHost({ name, directories: { ...directories, state: `${pretendedHostsFolder(directories)}/${name}` } })
}

export function pretendedHostsFolder({ state }: Directories): string {
  return `${state}/fake-hosts`
}
