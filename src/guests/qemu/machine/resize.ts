/** Other sizes: less memory than it was started with at once, by its balloon; more, and other processors, at its next start. */
import type { Host } from '../../../hosts/host.ts'
import type { CallOptions } from '../../hypervisor.ts'
import type { MachineSize, Takes } from '../../machine.ts'
import { type Known, readStarted } from '../observe.ts'
import { withQmp } from '../qmp.ts'

export async function resizeGuest(host: Host, guest: Known, size: MachineSize, options: CallOptions): Promise<Takes> {
  const { definition, paths, state } = guest
  const { memoryBytes, vcpus } = size
  await host.writeFile(paths.definition, JSON.stringify({ ...definition, ...size }), options)
  if (state !== 'running') return 'now'
  const started = (await readStarted(host, paths, options))?.definition ?? definition
  const fits = memoryBytes === undefined || memoryBytes <= started.memoryBytes
  if (memoryBytes !== undefined && fits)
    await withQmp(host, paths.control, options, (qmp) => qmp.execute('balloon', { value: memoryBytes }))
  return fits && (vcpus === undefined || vcpus === started.vcpus) ? 'now' : 'next-start'
}
