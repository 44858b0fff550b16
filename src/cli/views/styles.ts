/** Which colour a state has, everywhere. */

import type { Health, ServiceState } from '../../director/states.ts'
import { assertNever } from '../../errors.ts'
import type { GuestRunState } from '../../guests/hypervisor.ts'
import type { Style } from '../terminal/paint.ts'

export function stateStyle(state: GuestRunState): Style {
  switch (state) {
    case 'running':
      return 'green'
    case 'crashed':
      return 'red'
    case 'paused':
    case 'saved':
      return 'yellow'
    case 'stopped':
      return 'dim'
    default:
      return assertNever(state)
  }
}

export function healthStyle(health: Health): Style {
  switch (health) {
    case 'healthy':
      return 'green'
    case 'unhealthy':
      return 'red'
    case 'unknown':
    case 'maintenance':
      return 'yellow'
    case 'unchecked':
      return 'dim'
    default:
      return assertNever(health)
  }
}

export const serviceStateStyle: Readonly<Record<ServiceState, Style>> = {
  served: 'green',
  panic: 'red',
  fallback: 'yellow',
  unserved: 'red',
}
