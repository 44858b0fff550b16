/** Other memory and CPUs: at once up to what the guest was started with, else at its next start. */
import { setTimeout as sleep } from 'node:timers/promises'
import { InfraError } from '../../../errors.ts'
import { numberSetting } from '../../../formats/xl-cfg/settings.ts'
import type { Host } from '../../../hosts/host.ts'
import { abortError } from '../../../hosts/local/failures.ts'
import type { CallOptions } from '../../hypervisor.ts'
import type { MachineSize, Takes } from '../../machine.ts'
import { readJson } from '../../records.ts'
import type { Known, Started } from '../observe.ts'
import { listDomains, mustXl } from '../xl.ts'
import { keepInConfig } from './config-file.ts'

const mebibyte = 1024 ** 2

export async function resizeGuest(
  host: Host,
  guest: Known,
  { memoryBytes, vcpus }: MachineSize,
  options: CallOptions,
): Promise<Takes> {
  const takes: Takes[] = []
  if (vcpus !== undefined) takes.push(await setVcpus(host, guest, vcpus, options))
  if (memoryBytes !== undefined)
    takes.push(await setMemory(host, guest, Math.ceil(memoryBytes / mebibyte), memoryBytes, options))
  return takes.includes('next-start') ? 'next-start' : 'now'
}

async function setVcpus(host: Host, guest: Known, vcpus: number, options: CallOptions): Promise<Takes> {
  const { name } = guest.definition
  const most = mostOf(guest, 'maxvcpus', 'vcpus')
  const takes = guest.state === 'running' && vcpus > most ? 'next-start' : 'now'
  if (guest.state === 'running' && takes === 'now') {
    await mustXl(host, `give ${name} ${vcpus} vcpus`, name, ['vcpu-set', name, String(vcpus)], options)
    await noteStarted(host, guest, { vcpus }, options)
  }
  await keepInConfig(host, guest, { vcpus, maxvcpus: Math.max(vcpus, most) }, options)
  return takes
}

async function setMemory(
  host: Host,
  guest: Known,
  mebibytes: number,
  memoryBytes: number,
  options: CallOptions,
): Promise<Takes> {
  const { name } = guest.definition
  const most = mostOf(guest, 'maxmem', 'memory')
  const takes = guest.state === 'running' && mebibytes > most ? 'next-start' : 'now'
  if (guest.state === 'running' && takes === 'now') {
    await mustXl(host, `give ${name} ${mebibytes}M`, name, ['mem-set', name, `${mebibytes}m`], options)
    await untilMemory(host, name, mebibytes, options)
    await noteStarted(host, guest, { memoryBytes }, options)
  }
  await keepInConfig(host, guest, { memory: mebibytes, maxmem: Math.max(mebibytes, most) }, options)
  return takes
}

/** What it was started with: the ceiling of a running guest, which its file may have named by the lesser word alone. */
function mostOf({ settings, definition }: Known, ceiling: 'maxmem' | 'maxvcpus', word: 'memory' | 'vcpus'): number {
  const standing = word === 'memory' ? Math.ceil(definition.memoryBytes / mebibyte) : definition.vcpus
  return numberSetting(settings, ceiling) ?? numberSetting(settings, word) ?? standing
}

/** The guest gives its pages back by itself; one without a balloon driver never does. */
async function untilMemory(host: Host, name: string, mebibytes: number, { signal }: CallOptions): Promise<void> {
  for (let waitMs = 100; ; waitMs = Math.min(waitMs * 2, 1000)) {
    const domain = (await listDomains(host, { signal })).find((one) => one.name === name)
    if (domain === undefined) throw new InfraError('invalid', `${name} has ended meanwhile`, { subject: name })
    if (Math.abs(domain.memoryMebibytes - mebibytes) <= 1) return
    await sleep(waitMs, undefined, { signal }).catch(() => {
      throw abortError(signal, `wait until ${name} has ${mebibytes}M (it has ${domain.memoryMebibytes}M)`, name)
    })
  }
}

/** What runs is told by what was noted at its start. */
async function noteStarted(
  host: Host,
  { paths }: Known,
  changed: { readonly memoryBytes?: number; readonly vcpus?: number },
  options: CallOptions,
): Promise<void> {
  const started = await readJson<Started>(host, paths.started, options)
  if (started === undefined) return
  const definition = { ...started.definition, ...changed }
  await host.writeFile(paths.started, JSON.stringify({ ...started, definition }), options)
}
