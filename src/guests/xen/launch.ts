/** Starting a guest on Xen, from its configuration or from saved memory. */
import { setTimeout as sleep } from 'node:timers/promises'
import { tidying, within } from '../../deadline.ts'
import { InfraError } from '../../errors.ts'
import { parseXenInfo } from '../../formats/xl/info.ts'
import { parseXlDisk } from '../../formats/xl-cfg/disk.ts'
import { listSetting } from '../../formats/xl-cfg/settings.ts'
import type { Host } from '../../hosts/host.ts'
import { abortError } from '../../hosts/local/failures.ts'
import type { CallOptions, GuestDefinition } from '../hypervisor.ts'
import { readJson } from '../records.ts'
import { ensureDisks } from './disks.ts'
import type { Known, Started } from './observe.ts'
import { refuseSharedDisks } from './sharing.ts'
import { listDomains, mustXl, runXl, xlFailure } from './xl.ts'

const mebibyte = 1024 ** 2

/**
 * Resolves when the guest executes. The caller holds the guest's lock and has seen that it neither runs nor is paused;
 * the remains of another run are cleared away first.
 */
export async function launchGuest(host: Host, guest: Known, options: CallOptions): Promise<void> {
  const { definition, paths, isOurs } = guest
  const { name } = definition
  await clearDomain(host, name, options)
  if (isOurs) await ensureDisks(host, definition, paths, options)
  const disks = listSetting(guest.settings, 'disk').map((text) => parseXlDisk(text))
  const written = disks.filter(({ isReadOnly }) => !isReadOnly).map(({ target }) => target)
  await refuseSharedDisks(host, name, written, options)
  await checkMemory(host, definition, options)
  await noteStart(host, guest, definition, options)
  const result = await runXl(host, ['create', '-q', paths.config], options)
  if (result.code !== 0) {
    await tidyFailedStart(host, guest)
    throw xlFailure(`start ${name}`, name, result)
  }
}

/** Goes on from saved memory, which is out of use before the guest executes: restored twice it would not fit its disks. */
export async function restoreGuest(host: Host, guest: Known, options: CallOptions): Promise<void> {
  const { definition, paths } = guest
  const { name } = definition
  await clearDomain(host, name, options)
  await checkMemory(host, definition, options)
  const result = await runXl(host, ['restore', '-p', paths.saved], options)
  if (result.code !== 0) {
    await clearDomain(host, name, tidying())
    const failure = xlFailure(`restore ${name}`, name, result)
    throw new InfraError(failure.code, failure.message, {
      subject: name,
      hint: failure.hint ?? `baton destroy ${name} drops the saved memory; then it can start anew`,
    })
  }
  await noteStart(host, guest, (await readJson(host, paths.savedDefinition, options)) ?? definition, options)
  await host.rename(paths.saved, paths.usedMemory, options)
  await mustXl(host, `restore ${name}`, name, ['unpause', name], options)
  await host.remove(paths.usedMemory, options)
  await host.remove(paths.savedDefinition, options)
}

async function noteStart(
  host: Host,
  { paths }: Known,
  definition: GuestDefinition,
  options: CallOptions,
): Promise<void> {
  const started: Started = { definition, bootId: (await host.facts(options)).bootId }
  await host.writeFile(paths.started, JSON.stringify(started), options)
}

/** Xen says what is missing only after it has built a half of the guest, and not how much. */
async function checkMemory(host: Host, { name, memoryBytes }: GuestDefinition, options: CallOptions): Promise<void> {
  const info = parseXenInfo(await mustXl(host, 'ask for free memory', 'xl', ['info'], options))
  const wanted = Math.ceil(memoryBytes / mebibyte)
  if (info.freeMemoryMebibytes >= wanted || info.freeMemoryMebibytes === 0) return
  throw new InfraError('no-space', `start ${name}: it has ${wanted}M, and Xen has ${info.freeMemoryMebibytes}M free`, {
    subject: name,
    hint: 'end another guest, give this one less memory, or give Dom0 less by dom0_mem=SIZE,max:SIZE',
  })
}

/** Whatever domain of this name is left: its remains, or one that is just going. Resolves when the name is free. */
export async function clearDomain(host: Host, name: string, options: CallOptions): Promise<void> {
  const found = (await listDomains(host, options)).find((domain) => domain.name === name)
  if (found === undefined) return
  if (found.state !== 'dying') await runXl(host, ['destroy', String(found.id)], options)
  await untilGone(host, name, `end ${name}`, options)
}

/** Until Xen has no domain of this name. @throws InfraError `timeout` or `cancelled` by the signal. */
export async function untilGone(
  host: Host,
  name: string,
  what: string,
  { signal, hint }: CallOptions & { readonly hint?: string },
): Promise<void> {
  for (let waitMs = 50; ; waitMs = Math.min(waitMs * 2, 500)) {
    const domain = (await listDomains(host, { signal: AbortSignal.timeout(30_000) })).find((one) => one.name === name)
    if (domain === undefined) return
    // on_poweroff = "preserve" keeps what is left of it: it is off all the same.
    if (domain.state === 'shutdown' && domain.shutdownReason === 0)
      await runXl(host, ['destroy', String(domain.id)], { signal: within(signal, 30_000) })
    await sleep(waitMs, undefined, { signal }).catch(() => {
      const { code, message } = abortError(signal, what, name)
      throw new InfraError(code, message, { subject: name, retryable: true, ...(hint === undefined ? {} : { hint }) })
    })
  }
}

/** The caller's signal may be what ended the start: this has a deadline of its own. */
async function tidyFailedStart(host: Host, { definition, paths }: Known): Promise<void> {
  const options = tidying()
  await clearDomain(host, definition.name, options)
  await host.remove(paths.started, options)
}
