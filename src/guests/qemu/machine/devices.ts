/** Disks and interfaces that come to a guest and go: written down for its next start, and given to a QEMU that runs. */
import { setTimeout as sleep } from 'node:timers/promises'
import { InfraError } from '../../../errors.ts'
import type { Host } from '../../../hosts/host.ts'
import { abortError } from '../../../hosts/local/failures.ts'
import type { CallOptions } from '../../hypervisor.ts'
import { randomMac } from '../../mac-address.ts'
import type { AttachedDevice, MachineDevice } from '../../machine.ts'
import type { Known } from '../observe.ts'
import type { GuestPaths } from '../paths.ts'
import { type Qmp, withQmp } from '../qmp.ts'
import { removeTap } from '../tap.ts'
import { addExtraTaps, type Extra, extraTap, freePorts, idOf, nameOf, readExtras } from './extras.ts'

export async function attachExtra(
  host: Host,
  { definition, paths, state }: Known,
  device: MachineDevice,
  options: CallOptions,
): Promise<AttachedDevice> {
  const extras = await readExtras(host, paths, options)
  const extra = await extraOf(host, definition.name, device, extras, options)
  if (state === 'running') {
    await addExtraTaps(host, paths, [extra], options)
    try {
      await withQmp(host, paths.control, options, (qmp) => plugIn(qmp, extra, paths))
    } catch (error) {
      if (extra.kind === 'network' && extra.bridge !== undefined) await removeTap(host, extraTap(paths, extra), options)
      throw error
    }
  }
  await host.writeFile(paths.extras, JSON.stringify([...extras, extra]), options)
  return { kind: extra.kind, name: nameOf(extra) }
}

async function extraOf(
  host: Host,
  guest: string,
  device: MachineDevice,
  extras: readonly Extra[],
  options: CallOptions,
): Promise<Extra> {
  const slot = Array.from({ length: freePorts }, (_, index) => index).find((one) => !extras.some((e) => e.slot === one))
  if (slot === undefined)
    throw new InfraError('invalid', `attach to ${guest}: its ${freePorts} ports are taken`, {
      subject: guest,
      hint: `\`baton detach\` one first; \`baton attach list ${guest}\` shows them`,
    })
  if (device.kind === 'network') {
    if ('network' in device)
      throw new InfraError('unsupported', `attach to ${guest}: ${device.network} is a network of libvirt's`, {
        subject: guest,
        hint: 'name its bridge: --bridge',
      })
    const mac = randomMac('qemu')
    return { kind: 'network', mac, slot, ...('bridge' in device ? { bridge: device.bridge } : {}) }
  }
  if (extras.some((one) => nameOf(one) === device.path))
    throw new InfraError('already-exists', `attach ${device.path}: ${guest} has it already`, { subject: device.path })
  if ((await host.run(['test', '-e', device.path], options)).code !== 0)
    throw new InfraError('not-found', `attach ${device.path}: there is no such disk`, {
      subject: device.path,
      hint: 'baton image create makes an empty one',
    })
  return { ...device, slot }
}

async function plugIn(qmp: Qmp, extra: Extra, paths: GuestPaths): Promise<void> {
  const id = idOf(extra)
  const bus = `port${extra.slot}`
  if (extra.kind === 'disk') {
    const driver = extra.path.startsWith('/dev/') ? 'host_device' : 'file'
    const file = { driver, filename: extra.path }
    await qmp.execute('blockdev-add', { 'node-name': id, driver: extra.format, 'read-only': extra.isReadOnly, file })
    await orElse(qmp.execute('device_add', { driver: 'virtio-blk-pci', id, drive: id, bus }), () =>
      qmp.execute('blockdev-del', { 'node-name': id }),
    )
    return
  }
  const tap = { type: 'tap', ifname: extraTap(paths, extra), script: 'no', downscript: 'no' }
  await qmp.execute('netdev_add', { id: `${id}net`, ...(extra.bridge === undefined ? { type: 'user' } : tap) })
  const card = { driver: 'virtio-net-pci', id, netdev: `${id}net`, mac: extra.mac, bus }
  await orElse(qmp.execute('device_add', card), () => qmp.execute('netdev_del', { id: `${id}net` }))
}

async function orElse(doing: Promise<unknown>, undo: () => Promise<unknown>): Promise<void> {
  try {
    await doing
  } catch (error) {
    await undo()
    throw error
  }
}

export async function detachExtra(host: Host, guest: Known, name: string, options: CallOptions): Promise<void> {
  const { definition, paths, state } = guest
  const extras = await readExtras(host, paths, options)
  const extra = extras.find((one) => nameOf(one) === name)
  if (extra === undefined)
    throw new InfraError('not-found', `nothing was attached to ${definition.name} as ${name}`, {
      subject: definition.name,
      hint: `\`baton attach list ${definition.name}\` shows what was attached`,
    })
  if (state === 'running') await pullOut(host, guest, extra, options)
  await host.writeFile(paths.extras, JSON.stringify(extras.filter((one) => one !== extra)), options)
}

/** The guest lets it go when it likes: asked for again and again, as a guest that boots does not hear it. */
async function pullOut(host: Host, { definition, paths }: Known, extra: Extra, { signal }: CallOptions): Promise<void> {
  const id = idOf(extra)
  for (let tries = 0; ; tries += 1) {
    const isGone = await withQmp(host, paths.control, { signal }, async (qmp) => {
      const there = (await qmp.execute('qom-list', { path: '/machine/peripheral' })) as readonly { name: string }[]
      if (there.some((one) => one.name === id)) {
        // While an unplug is under way QEMU refuses another one: that is no failure.
        if (tries % 10 === 0) await qmp.execute('device_del', { id }).catch(() => undefined)
        return false
      }
      if (extra.kind === 'disk') await qmp.execute('blockdev-del', { 'node-name': id })
      else await qmp.execute('netdev_del', { id: `${id}net` })
      return true
    })
    if (isGone) break
    await sleep(200, undefined, { signal }).catch(() => {
      const { code, message, subject } = abortError(
        signal,
        `detach ${nameOf(extra)} from ${definition.name}`,
        definition.name,
      )
      throw new InfraError(code, message, {
        subject,
        hint: 'the guest still uses it: unmount the disk, take the interface down',
      })
    })
  }
  if (extra.kind === 'network' && extra.bridge !== undefined) await removeTap(host, extraTap(paths, extra), { signal })
}
