/** What a host still needs for its role: steps from what is there, each with the very commands or the file it writes. */
import { InfraError } from '../../errors.ts'
import type { Xendomains } from '../../formats/xl/xendomains.ts'
import type { Role } from '../survey/checks.ts'
import { type Family, familyOf, type Survey } from '../survey/survey.ts'
import { bootSteps, checkBoot, type Dom0 } from './boot.ts'
import { guestsUnitSteps } from './guests-unit.ts'
import { checkWithoutNetworkManager, networkSteps } from './network/network.ts'
import type { BridgeWish } from './network/uplink.ts'
import { type Original, packageSteps } from './packages.ts'
import {
  moduleSteps,
  serviceSteps,
  sysctlSteps,
  withoutNetworkManagerSteps,
  xendomainsSteps,
  xenSettingSteps,
} from './settings.ts'
import type { Step } from './step.ts'
import { type StorageWish, storageSteps } from './storage.ts'

export type Wish = {
  readonly role: Role
  readonly dom0: Dom0
  /** Left out: the network stays as it is. */
  readonly bridge?: BridgeWish
  readonly storage?: readonly StorageWish[]
  readonly originals?: readonly Original[]
  readonly withoutNetworkManager?: boolean
  /** What is left out stays as it is. */
  readonly xendomains?: Partial<Xendomains>
}

/**
 * Only what is not there yet; empty: the host is ready. The network comes last: what it cuts off is done.
 * @throws InfraError `unsupported` or `invalid`, before anything was changed, for what cannot be prepared.
 */
export function planPreparation(survey: Survey, wish: Wish): Step[] {
  const { role, dom0, bridge, storage = [], originals = [], xendomains = {} } = wish
  const family = familyThatCan(survey, role)
  if (role === 'xen') checkBoot(survey, dom0)
  const withoutManager = wish.withoutNetworkManager === true
  if (withoutManager) checkWithoutNetworkManager(survey)
  const disks = storage.flatMap((one) => storageSteps(survey, one))
  const more = storage.some(({ kind }) => kind === 'volume-group') ? ['lvm2'] : []
  return [
    ...packageSteps(survey, family, { role, originals, more }),
    ...moduleSteps(survey, role),
    ...sysctlSteps(survey, role),
    ...serviceSteps(survey, family, role),
    ...(role === 'kvm' ? guestsUnitSteps(survey) : []),
    ...(role === 'xen' ? xenSettingSteps(survey, family) : []),
    ...(role === 'xen' ? xendomainsSteps(survey, family, xendomains) : []),
    ...disks,
    ...(role === 'xen' ? bootSteps(survey, family, dom0) : []),
    ...(withoutManager ? withoutNetworkManagerSteps(survey) : []),
    ...(bridge === undefined ? [] : networkSteps(survey, bridge)),
  ]
}

/** Fedora alone of the family has gone on with Xen. */
const withoutXen = (id: string, name: string): string =>
  id === 'fedora'
    ? `Baton does not know how ${name} starts Xen`
    : `${name} has neither Xen nor a kernel for Dom0 in its repositories`

function familyThatCan(survey: Survey, role: Role): Exclude<Family, 'other'> {
  const { id, version, name } = survey.distribution
  const family = familyOf(survey)
  const error = (code: InfraError['code'], message: string, hint: string): InfraError =>
    new InfraError(code, message, { subject: name, hint })
  if (family === 'other')
    throw error('unsupported', `${name || 'this system'} cannot be prepared`, 'Debian, Ubuntu, RHEL and their kin can')
  if (!survey.isRoot) throw error('permission', 'a host is prepared by root', 'log in as root, or add --sudo')
  if (role === 'xen' && family === 'redhat' && !(id === 'centos' && version.startsWith('7')))
    throw error('unsupported', withoutXen(id, name), 'use Debian or Ubuntu, or prepare it --as kvm')
  return family
}
