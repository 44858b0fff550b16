/** Debian packages fetched with apt, verified by apt, unpacked without installing them. No root needed. */
import { InfraError, isInfraError } from '../../errors.ts'
import type { Host } from '../../hosts/host.ts'

/** An apt that this user may ask: with the host's package lists, or with lists of its own. */
export type Apt = {
  readonly host: Host
  readonly signal: AbortSignal
  /** Scratch space. */
  readonly directory: string
  readonly options: readonly string[]
}

type Place = Omit<Apt, 'options'>

// apt's own user cannot write where we let it download to; signatures are asked for whatever the host's settings are.
const always = [
  ...['-o', 'APT::Sandbox::User=root'],
  ...['-o', 'APT::Get::AllowUnauthenticated=false'],
  ...['-o', 'Acquire::AllowInsecureRepositories=false'],
  ...['-o', 'Acquire::Retries=2'],
]

/**
 * Does the work with the lists that the host has; where they are missing or older than the archive, once more with
 * lists fetched from the host's own sources into `directory`.
 */
export async function withApt<T>(
  place: Place,
  progress: (text: string) => void,
  work: (apt: Apt) => Promise<T>,
): Promise<T> {
  try {
    return await work({ ...place, options: always })
  } catch (error) {
    if (!isInfraError(error, 'not-found') && !isInfraError(error, 'unreachable')) throw error
  }
  progress('fetching the package lists')
  return await work(await ownLists(place))
}

async function ownLists(place: Place): Promise<Apt> {
  const { host, signal, directory } = place
  const root = `${directory}/apt`
  // What the administrator hung on an update (clearing root's caches, say) is not for this one.
  const settings = `#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
Dir::State "${root}/state";
Dir::Cache "${root}/cache";
Dir::State::status "/var/lib/dpkg/status";
Acquire::Languages "none";
`
  await host.writeFile(`${root}/apt.conf`, settings, { signal })
  await host.makeDirectory(`${root}/state/lists/partial`, { signal })
  await host.makeDirectory(`${root}/cache/archives/partial`, { signal })
  const apt: Apt = { ...place, options: [...always, '-c', `${root}/apt.conf`] }
  const update = await host.run(['apt-get', ...apt.options, '-qq', 'update'], { signal })
  // One broken source among several does not matter as long as the packages are found in another.
  const lists = ((await host.list(`${root}/state/lists`, { signal })) ?? []).filter((name) => /_Packages/.test(name))
  if (update.code !== 0 && lists.length === 0) throw fetchError('fetch the package lists', 'apt', update.stderr)
  return apt
}

/** The packages that these depend on, one level deep, as apt lists them. @throws InfraError `not-found` without any. */
export async function dependenciesOf({ host, signal, options }: Apt, ...names: string[]): Promise<readonly string[]> {
  const result = await host.run(['apt-cache', ...options, 'depends', '--important', ...names], { signal })
  const found = [...result.stdout.matchAll(/^[\s|]*(?:Pre)?Depends: ([a-z0-9][^\s<>]*)$/gm)].map(
    ([, found = '']) => found,
  )
  if (result.code === 0 && found.length > 0) return found
  const subject = names.join(' ')
  throw new InfraError('not-found', `apt knows no package ${subject}`, { subject, hint: ownKernelHint })
}

/** The package that a metapackage stands for now: `linux-image-cloud-amd64` is `linux-image-6.1.0-56-cloud-amd64`. */
export async function resolveKernel(apt: Apt, metapackage: string): Promise<string> {
  const kernel = (await dependenciesOf(apt, metapackage)).find((name) => name.startsWith('linux-image-'))
  if (kernel !== undefined) return kernel
  throw new InfraError('not-found', `${metapackage} stands for no kernel`, {
    subject: metapackage,
    hint: ownKernelHint,
  })
}

/** Downloads packages and unpacks them into `into`. */
export async function unpackPackages(apt: Apt, packages: readonly string[], into: string): Promise<void> {
  const { host, signal, directory, options } = apt
  const download = `${directory}/packages`
  await host.makeDirectory(download, { signal })
  await host.makeDirectory(into, { signal })
  const got = await host.run(['apt-get', ...options, '-qq', 'download', ...packages], { signal, directory: download })
  if (got.code !== 0) throw fetchError(`download ${packages.join(' ')}`, packages.join(' '), got.stderr)
  const files = (await host.list(download, { signal })) ?? []
  for (const name of files.filter((file) => file.endsWith('.deb'))) {
    const unpacked = await host.run(['dpkg-deb', '--extract', `${download}/${name}`, into], { signal })
    if (unpacked.code !== 0)
      throw new InfraError('failed', `unpack ${name}: ${unpacked.stderr.trim()}`, { subject: name })
  }
  await host.remove(download, { signal })
}

export const ownKernelHint = 'give the image a kernel and an initrd of your own'

function fetchError(what: string, subject: string, stderr: string): InfraError {
  const lines = stderr.trim().split('\n')
  const reason = lines.find((line) => line.startsWith('E: ')) ?? lines.at(-1) ?? ''
  return new InfraError('unreachable', `${what}: ${reason.replace(/^E: /, '')}`, {
    subject,
    retryable: true,
    hint: `check that apt reaches its sources (apt-get update), or ${ownKernelHint}`,
  })
}
