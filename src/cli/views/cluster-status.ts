/** `baton status FILE`: one machine of the cluster after the other. */
import type { ClusterStatusJson, MachineStatusJson } from '../local/cluster-status.ts'
import type { Paint } from '../terminal/paint.ts'
import { printable } from './line.ts'
import { statusView } from './status.ts'

export function clusterStatusView({ machines }: ClusterStatusJson, paint: Paint): string[] {
  return machines.flatMap((machine, index) => [...(index === 0 ? [] : ['']), ...machineLines(machine, paint)])
}

function machineLines(machine: MachineStatusJson, paint: Paint): string[] {
  const { hosts, directs, unreachable, guests, director, problem } = machine
  const title = paint('bold', hosts.join(', '))
  if (unreachable !== null) return [`${title}: ${paint('red', `cannot be asked: ${printable(unreachable)}`)}`]
  if (!directs && director === null && problem === null && guests.length === 0) return [`${title}: no guests`]
  return [title, ...statusView(machine, paint)]
}
