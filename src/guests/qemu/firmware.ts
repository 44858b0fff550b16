/** UEFI for guests, found as QEMU's docs/interop/firmware.json says: packages describe their images in files that are read in order. */
import { InfraError } from '../../errors.ts'
import type { Host } from '../../hosts/host.ts'
import { howToInstall } from '../../hosts/install.ts'
import type { CallOptions } from '../hypervisor.ts'
import { readJson } from '../records.ts'
import { qemuImg } from '../storage/qemu-img.ts'
import type { GuestPaths } from './paths.ts'

/** The code, and what a guest's own variables begin as. */
export type Flash = { readonly code: string; readonly format: string; readonly variables: Image }

type Image = { readonly filename: string; readonly format: string }

type Descriptor = {
  readonly 'interface-types'?: readonly string[]
  readonly mapping?: { readonly device?: string; readonly executable?: Image; readonly 'nvram-template'?: Image }
  readonly targets?: readonly { readonly architecture?: string; readonly machines?: readonly string[] }[]
  readonly features?: readonly string[]
}

/** The administrator's come before the packages'. */
const directories = ['/etc/qemu/firmware', '/usr/share/qemu/firmware']

/** @throws InfraError `missing-tool` when no package with UEFI for q35 is installed. */
export async function findFlash(host: Host, options: CallOptions): Promise<Flash> {
  for (const directory of directories)
    for (const name of (await host.list(directory, options)) ?? []) {
      if (!name.endsWith('.json')) continue
      const flash = flashOf((await readJson<Descriptor>(host, `${directory}/${name}`, options)) ?? {})
      if (flash !== undefined) return flash
    }
  throw new InfraError('missing-tool', `there is no UEFI for guests in ${directories.join(' and ')}`, {
    subject: host.name,
    hint: `${await howToInstall(host, 'ovmf', options)}, or firmware: bios`,
  })
}

/** undefined for what a guest of ours cannot have: another machine, system management mode, keys of somebody's. Pure. */
export function flashOf(descriptor: Descriptor): Flash | undefined {
  const { mapping, targets = [], features = [] } = descriptor
  const [code, variables] = [mapping?.executable, mapping?.['nvram-template']]
  const isFor = targets.some(
    ({ architecture, machines = [] }) =>
      architecture === 'x86_64' && machines.some((machine) => machine.startsWith('pc-q35')),
  )
  if (descriptor['interface-types']?.includes('uefi') !== true || !isFor || mapping?.device !== 'flash')
    return undefined
  if (features.includes('requires-smm') || features.includes('enrolled-keys')) return undefined
  if (code === undefined || variables === undefined) return undefined
  return { code: code.filename, format: code.format, variables }
}

/** Once for each guest: what it writes there stays its own. qcow2, so that snapshots of a guest that runs can be taken. */
export async function makeVariables(
  host: Host,
  paths: GuestPaths,
  { variables: { filename, format } }: Flash,
  options: CallOptions,
): Promise<void> {
  const name = paths.nvram.slice(paths.nvram.lastIndexOf('/') + 1)
  if ((await host.list(paths.state, options))?.includes(name) === true) return
  const doing = { what: `make ${paths.nvram}`, path: paths.nvram, ...options }
  const partial = `${paths.nvram}.partial`
  await qemuImg(host, ['convert', '-f', format, '-O', 'qcow2', filename, partial], doing)
  await host.rename(partial, paths.nvram, options)
}
