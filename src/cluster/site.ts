/** A site: one host of the cluster with everything that Baton speaks to there. */
import { directorClient } from '../api/client.ts'
import { type Launch, launchDirector, stopDirector } from '../api/launch.ts'
import type { DirectorControl } from '../director/control.ts'
import type { EngineName } from '../engines/engine.ts'
import { InfraError } from '../errors.ts'
import type { Hypervisor } from '../guests/hypervisor.ts'
import { pretendedImages } from '../guests/images/pretended.ts'
import { type ImageStore, imageStore } from '../guests/images/store.ts'
import { openHypervisor } from '../guests/open.ts'
import type { Directories, Host } from '../hosts/host.ts'
import { localHost } from '../hosts/local/local.ts'
import { engineFor } from './engine-for.ts'
import type { ChosenEngine } from './spec/engine-check.ts'
import { given } from './spec/given.ts'
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
  launch(wanted: Omit<Launch, 'program'>, cluster: string, options: CallOptions): Promise<void>
  /** The engine that is to carry the spec there, when `standing` runs. */
  choose(spec: ClusterSpec, standing: EngineName | undefined): Promise<ChosenEngine>
  stop(options: CallOptions): Promise<void>
}

/** The command that runs this very Baton, for the daemons that outlive the command. */
export function thisProgram(): readonly string[] {
  return [process.execPath, ...process.execArgv, process.argv[1] ?? 'baton']
}

/** Hosts of one machine share its director. @throws InfraError `unsupported` or `invalid` for hosts that cannot be had. */
export function openSites(
  spec: Pick<ClusterSpec, 'hosts'>,
  program: readonly string[] = thisProgram(),
): ReadonlyMap<string, Site> {
  const director = directorAccess(localHost(), program)
  const places = new Map<string, string>()
  return new Map(
    Object.entries(spec.hosts).map(([name, host]) => {
      const site = openSite(name, host, director)
      const place = `${host.hypervisor} ${site.host.directories.state}`
      const other = places.get(place)
      if (other !== undefined)
        throw new InfraError('invalid', `hosts ${other} and ${name} are the same ${host.hypervisor} on this machine`, {
          subject: name,
          hint: 'leave one of them out',
        })
      places.set(place, name)
      return [name, site]
    }),
  )
}

function openSite(name: string, spec: HostSpec, director: DirectorAccess): Site {
  if (spec.ssh !== undefined)
    throw new InfraError('unsupported', `host ${name}: other machines cannot be reached yet`, {
      subject: name,
      hint: 'leave `ssh` out: guests run on this machine then',
    })
  const isPretended = spec.hypervisor === 'fake'
  const host = isPretended ? pretendedHost(name) : localHost({ name })
  return {
    name,
    host,
    hypervisor: openHypervisor(spec.hypervisor, host),
    images: isPretended ? pretendedImages() : imageStore(host),
    director,
  }
}

export function directorAccess(host: Host, program: readonly string[]): DirectorAccess {
  return {
    control: directorClient(host),
    launch: async (wanted, cluster, options) =>
      void (await launchDirector(host, { ...wanted, program }, options, cluster)),
    choose: async (spec, standing) => engineFor(spec, given('standing', standing)),
    stop: async (options) => void (await stopDirector(host, options)),
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
