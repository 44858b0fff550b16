import { expect, test } from 'vitest'
import { wantedServices } from '../../../cluster/plan/wanted.ts'
import type { TableView } from '../../../director/control.ts'
import { parseLdirectord } from '../../../formats/ldirectord/parse.ts'
import type { RealServer } from '../../../lvs/service.ts'
import { convertLdirectord } from '../convert.ts'
import { workPlan } from '../duties/plan.ts'
import { frozenServices } from './frozen.ts'
import type { Served } from './read.ts'

function served(...lines: readonly string[]): Served {
  const file = parseLdirectord(`${lines.join('\n')}\n`, { host: () => undefined, port: () => undefined, hostName: 'h' })
  const { spec } = convertLdirectord(file, { cluster: 'web.cf' })
  if (spec === undefined) throw new Error('no spec')
  const wanted = wantedServices(spec, new Map(), undefined)
  return { wanted, plan: workPlan(file, wanted) }
}

const file = (...globals: readonly string[]): Served =>
  served(
    ...globals,
    'virtual=10.0.0.1:80',
    '    real=10.9.0.1:80 masq 5',
    '    real=10.9.0.2:80 masq 5',
    '    fallback=127.0.0.1:81 masq',
    'virtual=10.0.0.1:81',
    '    real=10.9.0.1:81 masq',
    '    cleanstop=yes',
  )

const server = (address: string, weight: number): RealServer => ({
  address,
  port: 80,
  forwarding: 'masq',
  weight,
  upperThreshold: 0,
  lowerThreshold: 0,
})
const none = { connections: 0, packetsIn: 0, packetsOut: 0, bytesIn: 0, bytesOut: 0 }

function tableOf({ wanted }: Served, servers: readonly RealServer[]): TableView {
  const services = wanted.services.map(({ service }) => ({
    service,
    counters: none,
    servers: servers.map((one) => ({ server: one, active: 0, inactive: 0, persistent: 0, counters: none })),
  }))
  return { services, info: undefined } as unknown as TableView
}

test('what has cleanstop=no stays as it stands, without checks and fallback; the rest goes', () => {
  const before = file('cleanstop=no')
  const servers = [server('10.9.0.1', 0), server('127.0.0.1', 1)]
  expect(frozenServices(before, tableOf(before, servers))).toEqual({
    cluster: 'web.cf',
    services: [
      {
        name: 'tcp-10-0-0-1-80',
        service: before.wanted.services[0]?.service,
        servers,
        checks: [],
        onFailure: 'drain',
      },
    ],
  })
})

test('without cleanstop=no nothing stays, nor does what is not in the table', () => {
  const before = file()
  expect(frozenServices(before, tableOf(before, []))).toBeUndefined()
  expect(
    frozenServices(file('cleanstop=no'), { services: [], info: undefined } as unknown as TableView),
  ).toBeUndefined()
})
