/** What was attached to a guest beside its definition: written down, and as a QEMU that starts is given it. */
import { createHash } from 'node:crypto'
import type { Host } from '../../../hosts/host.ts'
import type { CallOptions } from '../../hypervisor.ts'
import type { DiskDevice } from '../../machine.ts'
import { readJson } from '../../records.ts'
import type { GuestPaths } from '../paths.ts'
import { addTap, removeTap } from '../tap.ts'

/** `slot`: which of the machine's free ports it has, from 0. */
export type Extra =
  | (DiskDevice & { readonly slot: number })
  | { readonly kind: 'network'; readonly bridge?: string; readonly mac: string; readonly slot: number }

/** A q35 machine takes devices while it runs only behind ports that it was started with. */
export const freePorts = 6

export async function readExtras(host: Host, paths: GuestPaths, options: CallOptions): Promise<readonly Extra[]> {
  return (await readJson<readonly Extra[]>(host, paths.extras, options)) ?? []
}

export const nameOf = (extra: Extra): string => (extra.kind === 'disk' ? extra.path : extra.mac)

export function extraTap(paths: Pick<GuestPaths, 'state'>, { mac }: { readonly mac: string }): string {
  return `bt${createHash('sha256').update(`${paths.state} ${mac}`).digest('hex').slice(0, 12)}`
}

export async function addExtraTaps(
  host: Host,
  paths: GuestPaths,
  extras: readonly Extra[],
  options: CallOptions,
): Promise<void> {
  for (const extra of extras)
    if (extra.kind === 'network' && extra.bridge !== undefined)
      await addTap(host, extraTap(paths, extra), extra.bridge, options)
}

export async function removeExtraTaps(host: Host, paths: GuestPaths, options: CallOptions): Promise<void> {
  for (const extra of await readExtras(host, paths, options))
    if (extra.kind === 'network' && extra.bridge !== undefined) await removeTap(host, extraTap(paths, extra), options)
}

export const idOf = ({ slot }: Extra): string => `extra${slot}`

/** What a QEMU that starts is given: the ports, and what stands behind them. Pure. */
export function extraArguments(extras: readonly Extra[], paths: GuestPaths): string[] {
  const value = (text: string): string => text.replaceAll(',', ',,')
  const ports = Array.from({ length: freePorts }, (_, slot) => [
    '-device',
    `pcie-root-port,id=port${slot},chassis=${slot + 1}`,
  ])
  const devices = extras.map((extra): string[] => {
    const id = idOf(extra)
    if (extra.kind === 'disk') {
      const driver = extra.path.startsWith('/dev/') ? 'host_device' : 'file'
      const mode = extra.isReadOnly ? ',read-only=on' : ''
      const node = `driver=${extra.format},node-name=${id},file.driver=${driver},file.filename=${value(extra.path)}${mode}`
      return ['-blockdev', node, '-device', `virtio-blk-pci,id=${id},drive=${id},bus=port${extra.slot}`]
    }
    const way = extra.bridge === undefined ? 'user' : `tap,ifname=${extraTap(paths, extra)},script=no,downscript=no`
    const card = `virtio-net-pci,id=${id},netdev=${id}net,mac=${extra.mac},bus=port${extra.slot}`
    return ['-netdev', `${way},id=${id}net`, '-device', card]
  })
  return [...ports.flat(), ...devices.flat()]
}
