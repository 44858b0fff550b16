/** Plans of an ldirectord's work, and what a director says of its service, for tests. */

import type {
  FollowedServer,
  FollowedService,
  MailSettings,
  WorkPlan,
} from '../../src/compat/ldirectord/duties/plan.ts'
import type { DirectorStatus, ServerStatus } from '../../src/director/control.ts'

export const service = 'tcp-10-0-0-1-80'
export const server = '10.9.0.1:80'

type Changes = Partial<Omit<FollowedService, 'servers' | 'mail'>> &
  Partial<Pick<FollowedServer, 'weight'>> & {
    readonly servers?: readonly string[]
    readonly mail?: Partial<MailSettings>
    readonly shown?: string
  }

/** tcp 10.0.0.1:80 with 10.9.0.1:80; `shown` and `weight` are the server's. */
export function buildFollowed({
  servers = [server],
  mail = {},
  shown,
  weight = 5,
  ...changes
}: Changes): FollowedService {
  const followed = (key: string): FollowedServer => ({
    shown: shown ?? key,
    weight,
    isChecked: true,
    identity: `connect tcp ${key}`,
  })
  return {
    id: 'tcp:10.0.0.1:80',
    fallback: undefined,
    isQuiescent: false,
    monitorFile: undefined,
    isCleaned: true,
    ...changes,
    shown: '10.0.0.1:80',
    servers: new Map(servers.map((key) => [key, followed(key)])),
    mail: {
      to: [],
      everySeconds: 0,
      states: ['starting', 'running', 'stopping', 'reloading'],
      relay: undefined,
      serviceName: undefined,
      comment: undefined,
      ...mail,
    },
  }
}

export function buildPlan(followed?: FollowedService, changes: Partial<WorkPlan> = {}): WorkPlan {
  return {
    services: new Map(followed === undefined ? [] : [[service, followed]]),
    logfile: undefined,
    intervalMs: 1000,
    reloadsByItself: false,
    callback: undefined,
    mailFrom: undefined,
    others: [],
    isSupervised: false,
    ...changes,
  }
}

const nothing = { connections: 0, packetsIn: 0, packetsOut: 0, bytesIn: 0, bytesOut: 0 }

/** What a director says of that service. */
export function statusOf(
  standing: Pick<ServerStatus, 'health' | 'weight'>,
  cluster = 'web.cf',
): DirectorStatus['services'] {
  const one: ServerStatus = {
    address: '10.9.0.1',
    port: 80,
    forwarding: 'masq',
    wantedWeight: 5,
    detail: '',
    checks: [],
    reason: '',
    drained: false,
    active: 0,
    inactive: 0,
    connections: 0,
    counters: nothing,
    fallback: false,
    ...standing,
  }
  const id = { kind: 'address', protocol: 'tcp', address: '10.0.0.1', port: 80 } as const
  return [
    {
      cluster,
      name: service,
      service: { id, scheduler: 'wrr', schedulerFlags: [], onePacket: false },
      counters: nothing,
      servers: [one],
    },
  ]
}
