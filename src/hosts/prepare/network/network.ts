/** A bridge over the uplink, made by whoever has set the uplink up. */
import type { Survey } from '../../survey/survey.ts'
import type { Guarded, Step } from '../step.ts'
import { bridgeByIfupdown } from './ifupdown.ts'
import { bridgeByNetplan } from './netplan.ts'
import { bridgeByNetworkManager } from './network-manager.ts'
import { bridgeByNetworkd } from './networkd.ts'
import { type BridgeWish, findUplink, refusal, type Uplink } from './uplink.ts'

/** @throws InfraError for what cannot be carried over to a bridge, before anything was changed. */
export function networkSteps(survey: Survey, wish: BridgeWish): Step[] {
  const uplink = findUplink(survey, wish)
  if (uplink === undefined) return []
  const { by, guarded } = change(survey, uplink, wish.bridge)
  return [
    {
      what: `make the bridge ${wish.bridge} over ${uplink.name}, by ${by}`,
      reason: `${uplink.name} is in no bridge`,
      undo: undoOf(guarded),
      files: [],
      commands: [],
      guarded,
    },
  ]
}

/** What turns NetworkManager off would take the addresses away that it has set. @throws InfraError `invalid` */
export function checkWithoutNetworkManager(survey: Survey): void {
  const [device] = survey.defaultDevices
  if (device === undefined || survey.connections[device] === undefined) return
  throw refusal(
    'invalid',
    `NetworkManager has set ${device} up: without it there is no network`,
    device,
    'leave it on, as it makes the bridge itself; or have ifupdown or systemd-networkd set the uplink up first',
  )
}

/** netplan first: what it has written belongs to systemd-networkd or to NetworkManager by name, and is written anew by it. */
function change(survey: Survey, uplink: Uplink, bridge: string): { readonly by: string; readonly guarded: Guarded } {
  const { files, programs } = survey
  const planned = programs.includes('netplan') ? bridgeByNetplan(files, uplink, bridge) : undefined
  if (planned !== undefined) return { by: 'netplan', guarded: planned }
  const connection = survey.connections[uplink.name]
  if (connection !== undefined)
    return { by: 'NetworkManager', guarded: bridgeByNetworkManager(connection, files, uplink, bridge) }
  const source = survey.networkdFiles[uplink.name]
  if (source !== undefined) return { by: 'systemd-networkd', guarded: bridgeByNetworkd(source, files, uplink, bridge) }
  const interfaces = programs.includes('ifup') ? bridgeByIfupdown(files, uplink, bridge) : undefined
  if (interfaces !== undefined) return { by: 'ifupdown', guarded: interfaces }
  throw refusal(
    'unsupported',
    `nothing says who has set ${uplink.name} up: netplan, NetworkManager, systemd-networkd and ifupdown know nothing of it`,
    uplink.name,
    `make ${bridge} over it by hand, or leave it as it is: --no-bridge`,
  )
}

function undoOf({ files, back }: Guarded): string {
  const put = files.map(({ path, before }) => (before === '' ? `rm ${path}` : `put ${path} back from its copy`))
  const commands = (some: Guarded['leave']): string[] => some.map((command) => command.join(' '))
  return [...commands(back.leave), ...put, ...commands(back.enter)].join('; ')
}
