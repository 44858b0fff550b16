/** The HOST of a command: `local`, a name under hosts: of a spec, or where ssh(1) would go. */
import { existsSync } from 'node:fs'
import type { HostSpec } from '../../cluster/spec/model.ts'
import { InfraError } from '../../errors.ts'
import type { Host } from '../../hosts/host.ts'
import { localHost } from '../../hosts/local/local.ts'
import { destinationForm, parseDestination } from '../../hosts/ssh/destination.ts'
import { defaultFile, readSpec } from './spec-file.ts'

export type NamedHostOptions = { readonly file?: string; readonly sudo?: true }

/** What the spec says of it, where there is a spec that names it. */
export function writtenHost(named: string, { file }: NamedHostOptions): HostSpec | undefined {
  const spec = file !== undefined || existsSync(defaultFile) ? readSpec(file).spec : undefined
  return spec?.hosts[named]
}

/** @throws InfraError `invalid` for what is none of these, and what connecting throws. */
export async function openNamedHost(
  named: string,
  { file, sudo }: NamedHostOptions,
  { signal }: { readonly signal: AbortSignal },
): Promise<Host> {
  const written = writtenHost(named, { ...(file === undefined ? {} : { file }) })
  if (named === 'local' || (written !== undefined && written.ssh === undefined)) return localHost({ name: named })
  const destination = parseDestination(written?.ssh ?? named)
  if (destination === undefined)
    throw new InfraError('invalid', `${named} is no host`, {
      subject: named,
      hint: `name one of the spec, or write local, ${destinationForm}`,
    })
  const { openSshHost } = await import('../../hosts/ssh/ssh.ts')
  return openSshHost(destination, { name: named, sudo: sudo ?? written?.sudo ?? false }, { signal })
}
