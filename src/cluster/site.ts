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
import { destinationForm, parseDestination } from '../hosts/ssh/destination.ts'
import { askAll } from './ask-all.ts'
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
  /** Whether the host is this machine: only its kernel can be asked and swept directly. */
  readonly isHere: boolean
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

/**
 * Hosts of one machine share its director. All that are reached over SSH are connected to side by side.
 * @throws InfraError `unsupported` or `invalid` for hosts that cannot be had; for those that cannot be reached, one that
 * names all of them.
 */
export async function openSites(
  spec: Pick<ClusterSpec, 'hosts'>,
  { signal, program = thisProgram() }: CallOptions & { readonly program?: readonly string[] },
): Promise<ReadonlyMap<string, Site>> {
  const remote = await connectAll(spec, signal)
  const director = directorAccess(localHost(), program)
  const places = new Map<string, string>()
  return new Map(
    Object.entries(spec.hosts).map(([name, host]) => {
      const far = remote.get(name)
      const site = far === undefined ? openSite(name, host, director) : farSite(name, host, far)
      const place = `${host.hypervisor} ${host.ssh ?? ''} ${site.host.directories.state}`
      const other = places.get(place)
      if (other !== undefined)
        throw new InfraError('invalid', `hosts ${other} and ${name} are the same ${host.hypervisor} on one machine`, {
          subject: name,
          hint: 'leave one of them out',
        })
      places.set(place, name)
      return [name, site]
    }),
  )
}

function openSite(name: string, spec: HostSpec, director: DirectorAccess): Site {
  const isPretended = spec.hypervisor === 'fake'
  const host = isPretended ? pretendedHost(name) : localHost({ name })
  return {
    name,
    host,
    hypervisor: openHypervisor(spec.hypervisor, host),
    images: isPretended ? pretendedImages() : imageStore(host),
    director,
    isHere: true,
  }
}

/** Its director is run by the Baton that is installed there. */
function farSite(name: string, spec: HostSpec, host: Host): Site {
  return {
    name,
    host,
    hypervisor: openHypervisor(spec.hypervisor, host),
    images: imageStore(host, undefined, localHost()),
    // What the engine is chosen by is looked up on this machine: over there it is named, or the one that runs everywhere.
    director: {
      ...directorAccess(host, ['baton']),
      choose: async (chosen, standing) =>
        engineFor(chosen, chosen.directors.engine === 'auto' ? { wanted: standing ?? 'userspace' } : {}),
    },
    isHere: false,
  }
}

/** So many hosts are connected to at once. */
const concurrency = 32

async function connectAll(
  { hosts }: Pick<ClusterSpec, 'hosts'>,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, Host>> {
  const far = Object.values(hosts).filter(({ ssh }) => ssh !== undefined)
  if (far.length === 0) return new Map()
  const { openSshHost } = await import('../hosts/ssh/ssh.ts')
  const opened = await askAll(
    far,
    concurrency,
    ({ name }) => name,
    async ({ name, ssh = '', sudo = false }) => {
      const destination = parseDestination(ssh)
      if (destination === undefined)
        throw new InfraError('invalid', `${ssh} is no SSH destination`, {
          subject: name,
          hint: `write ${destinationForm}`,
        })
      return [name, await openSshHost(destination, { name, sudo }, { signal })] as const
    },
  )
  return new Map(opened)
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
