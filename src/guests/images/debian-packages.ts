/** Debian packages fetched with apt, verified by apt, unpacked without installing them. No root needed. */
import { InfraError } from '../../errors.ts'
import type { Host } from '../../hosts/host.ts'

export type Fetch = { readonly host: Host; readonly signal: AbortSignal; readonly directory: string }

/** The package that a metapackage stands for now: `linux-image-cloud-amd64` is `linux-image-6.1.0-56-cloud-amd64`. */
export async function resolveMetapackage(fetch: Fetch, apt: readonly string[], metapackage: string): Promise<string> {
  const result = await fetch.host.run(['apt-cache', ...apt, 'depends', '--important', metapackage], {
    signal: fetch.signal,
  })
  const found = /^\s*(?:Pre)?Depends: (linux-image-\S+)$/m.exec(result.stdout)?.[1]
  if (found === undefined)
    throw new InfraError('not-found', `apt knows no package ${metapackage}`, {
      subject: metapackage,
      hint: 'on another distribution give the image a kernel and an initrd of your own',
    })
  return found
}

/**
 * The apt options with which this user can ask for packages: none when the host's package lists are there, otherwise
 * lists of our own, fetched from the host's own sources.
 */
export async function aptOptions(fetch: Fetch, probe: string): Promise<readonly string[]> {
  const { host, signal, directory } = fetch
  const known = await host.run(['apt-cache', 'show', '--no-all-versions', probe], { signal })
  const sandbox = ['-o', 'APT::Sandbox::User=root'] // apt's own user cannot write where we let it download to
  if (known.code === 0) return sandbox
  const options = [
    ...sandbox,
    ...['-o', `Dir::State=${directory}/apt/state`, '-o', `Dir::Cache=${directory}/apt/cache`],
    ...['-o', 'Dir::State::status=/var/lib/dpkg/status', '-o', 'Debug::NoLocking=1'],
  ]
  await host.makeDirectory(`${directory}/apt/state/lists/partial`, { signal })
  await host.makeDirectory(`${directory}/apt/cache/archives/partial`, { signal })
  const update = await host.run(['apt-get', ...options, '-qq', 'update'], { signal })
  if (update.code !== 0) throw fetchError('fetch the package lists', probe, update.stderr)
  return options
}

/** Downloads packages and unpacks them into `into`. */
export async function unpackPackages(
  fetch: Fetch,
  apt: readonly string[],
  packages: readonly string[],
  into: string,
): Promise<void> {
  const { host, signal, directory } = fetch
  const download = `${directory}/packages`
  await host.makeDirectory(download, { signal })
  await host.makeDirectory(into, { signal })
  const got = await host.run(['apt-get', ...apt, '-qq', 'download', ...packages], { signal, directory: download })
  if (got.code !== 0) throw fetchError(`download ${packages.join(' ')}`, packages.join(' '), got.stderr)
  for (const name of (await host.list(download, { signal })) ?? []) {
    const unpacked = await host.run(['dpkg-deb', '--extract', `${download}/${name}`, into], { signal })
    if (unpacked.code !== 0)
      throw new InfraError('failed', `unpack ${name}: ${unpacked.stderr.trim()}`, { subject: name })
  }
  await host.remove(download, { signal })
}

function fetchError(what: string, subject: string, stderr: string): InfraError {
  const reason = stderr.trim().split('\n').at(-1) ?? ''
  return new InfraError('unreachable', `${what}: ${reason}`, {
    subject,
    retryable: true,
    hint: 'check that apt reaches its sources (apt-get update), or give the image a kernel and an initrd of your own',
  })
}
