/** What of a guest's machine is chosen: from the file to the model and back, and which hypervisors can have it. */
import type { GuestHardware } from '../../guests/hypervisor.ts'
import { given } from './given.ts'
import type { GraphicsShape } from './hardware-schema.ts'
import { namesOf } from './known.ts'
import type { PoolShape } from './schema.ts'
import { child, members, problem, type Report, type SourceMap, type SourceNode, textOf } from './source.ts'
import type { Written } from './written.ts'

const onlyHere = '127.0.0.1'

/** undefined: nothing is chosen. */
export function hardwareSpec({ firmware, cpu, graphics }: PoolShape): GuestHardware | undefined {
  const hardware: GuestHardware = {
    ...(firmware === 'uefi' ? { firmware } : {}),
    ...given('cpu', cpu),
    ...given('graphics', graphicsSpec(graphics)),
  }
  return Object.keys(hardware).length === 0 ? undefined : hardware
}

function graphicsSpec(graphics: GraphicsShape): GuestHardware['graphics'] {
  if (graphics === 'none') return undefined
  if (typeof graphics === 'string') return { type: graphics, listen: onlyHere }
  return { type: graphics.type, listen: graphics.listen, ...given('port', graphics.port) }
}

export function hardwareText(hardware: GuestHardware | undefined): Written {
  const graphics = hardware?.graphics
  const isShort = graphics?.listen === onlyHere && graphics.port === undefined
  return { firmware: hardware?.firmware, cpu: hardware?.cpu, graphics: isShort ? graphics.type : graphics }
}

/** On every host that a guest of the pool may come to. */
export function checkHardware(root: SourceMap, pool: SourceNode, report: Report): void {
  const bound = textOf(child(pool, 'host'))
  const hosts = bound === undefined ? namesOf(root, 'hosts') : [bound]
  const used = hosts.map((host) => textOf(child(child(child(root, 'hosts'), host), 'hypervisor')) ?? 'qemu')
  const hypervisors = new Set(used.length === 0 ? ['qemu'] : used)
  const [firmware, cpu, graphics] = ['firmware', 'cpu', 'graphics'].map((key) => child(pool, key))
  if (hypervisors.has('xen'))
    for (const [key, node] of Object.entries({ firmware, cpu, graphics }))
      if (node !== undefined && !['bios', 'none'].includes(textOf(node) ?? ''))
        report(
          problem(
            node.place,
            `${key} is not for guests on Xen: the kernel of a PV guest is started by Xen itself`,
            'leave it out, or use hypervisor: qemu or libvirt',
          ),
        )
  if (!hypervisors.has('qemu')) return
  if (cpu !== undefined && textOf(cpu) === 'host-model')
    report(
      problem(
        cpu.place,
        'QEMU by itself has no host-model: it is libvirt that knows models',
        'write host-passthrough, maximum, or the name of a model',
      ),
    )
  const type = textOf(graphics?.kind === 'map' ? child(graphics, 'type') : graphics)
  const hasPort = members(graphics).some(([key]) => key === 'port')
  if (graphics !== undefined && (type === 'vnc' || type === 'spice') && !hasPort)
    report(
      problem(
        graphics.place,
        `with hypervisor: qemu ${type} needs a port`,
        `write graphics: { type: ${type}, port: 5901 }`,
      ),
    )
}
