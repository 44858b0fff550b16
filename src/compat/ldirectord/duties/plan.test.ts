import { describe, expect, test } from 'vitest'
import { wantedServices } from '../../../cluster/plan/wanted.ts'
import { parseLdirectord } from '../../../formats/ldirectord/parse.ts'
import { convertLdirectord } from '../convert.ts'
import { monitorLine } from './monitor-line.ts'
import { type FollowedService, type WorkPlan, workPlan } from './plan.ts'

const names = { host: () => undefined, port: () => undefined, hostName: 'here' }

function planOf(...lines: readonly string[]): WorkPlan {
  const file = parseLdirectord(`${lines.join('\n')}\n`, names)
  const { spec, findings } = convertLdirectord(file, { cluster: 'web.cf' })
  if (spec === undefined) throw new Error(findings.map(({ message }) => message).join('\n'))
  return workPlan(file, wantedServices(spec, new Map(), undefined))
}
function service(...lines: readonly string[]): FollowedService {
  const [only] = planOf(...lines).services.values()
  if (only === undefined) throw new Error('no service')
  return only
}
const head = 'virtual=10.0.0.1:80'
const real = '    real=10.9.0.1:8080 masq 5'

describe('what is left of an ldirectord.cf', () => {
  test('of the whole file', () => {
    expect(planOf(head, real)).toMatchObject({
      logfile: undefined,
      intervalMs: 10_000,
      reloadsByItself: false,
      callback: undefined,
      others: [],
      isSupervised: false,
    })
    expect(
      planOf(
        'checkinterval=3',
        'autoreload=yes',
        'callback="/usr/local/bin/sync"',
        'logfile="local0"',
        'execute=a.cf',
        'execute=b.cf',
        'execute=a.cf',
        'emailalertfrom=lb@shop.example',
        'supervised=yes',
      ),
    ).toEqual({
      services: new Map(),
      logfile: 'local0',
      intervalMs: 3000,
      reloadsByItself: true,
      callback: '/usr/local/bin/sync',
      mailFrom: 'lb@shop.example',
      others: ['a.cf', 'b.cf'],
      isSupervised: true,
    })
  })

  test.each([
    { lines: [head, real], shown: '10.0.0.1:80', id: 'tcp:10.0.0.1:80', key: '10.9.0.1:8080', server: '10.9.0.1:8080' },
    {
      lines: ['virtual=5', '    real=10.9.0.1 gate'],
      shown: '5',
      id: 'fwm:5',
      key: '10.9.0.1:0',
      server: '10.9.0.1:0',
    },
    {
      lines: ['virtual6=[fd00::1]:53', '    real6=[fd00::2]:53 masq', '    checktype=connect'],
      shown: '[fd00::1]:53',
      id: 'udp:[fd00::1]:53',
      key: '[fd00::2]:53',
      server: '[fd00::2]:53',
    },
    {
      lines: [head, '    real=10.9.0.1:8080 gate'],
      shown: '10.0.0.1:80',
      id: 'tcp:10.0.0.1:80',
      key: '10.9.0.1:80',
      server: '10.9.0.1:8080',
    },
    {
      lines: [head, '    real=10.9.0.1 masq'],
      shown: '10.0.0.1:80',
      id: 'tcp:10.0.0.1:80',
      key: '10.9.0.1:80',
      server: '10.9.0.1:80',
    },
  ])('$lines is called as ldirectord calls it', ({ lines, shown, id, key, server }) => {
    const found = service(...lines)
    expect([found.shown, found.id]).toEqual([shown, id])
    expect([...found.servers].map(([one, { shown }]) => [one, shown])).toEqual([[key, server]])
  })

  test("a virtual's own words go before those of the file", () => {
    const globals = [
      'emailalert=a@x, b@x',
      'emailalertfreq=60',
      'emailalertstatus=running',
      'smtp=relay',
      'cleanstop=no',
    ]
    expect(service(...globals, head, real)).toMatchObject({
      isCleaned: false,
      mail: { to: ['a@x', 'b@x'], everySeconds: 60, states: ['running'], relay: 'relay', serviceName: undefined },
    })
    const own = ['emailalert="c@x"', 'emailalertfreq=0', 'emailalertstatus=none', 'smtp=own', 'cleanstop=yes']
    const more = ['servicename=shop', 'comment=call Eve']
    expect(service(...globals, head, real, ...[...own, ...more].map((line) => `    ${line}`))).toMatchObject({
      isCleaned: true,
      mail: { to: ['c@x'], everySeconds: 0, states: [], relay: 'own', serviceName: 'shop', comment: 'call Eve' },
    })
  })

  test('a fallback that is a server is none', () => {
    expect(service(head, real, '    fallback=127.0.0.1:81 masq').fallback).toBe('127.0.0.1:81')
    expect(service(head, real, '    fallback=10.9.0.1:8080 masq').fallback).toBeUndefined()
  })
})

/** The identities as ldirectord 4.12 wrote them. */
describe('a line of a monitorfile', () => {
  test.each([
    {
      block: ['service=http', 'request="/ok"', String.raw`receive="a:b\d|x"`],
      is: 'negotiate http tcp 10.9.0.1 8080 5 masq /ok a bd|x',
    },
    { block: ['checktype=connect'], is: 'connect tcp 10.9.0.1 8080 5 masq / ' },
    {
      block: ['checktype=3', 'virtualhost=www', 'checkport=81'],
      is: 'combined http tcp 10.9.0.1 8080 www 81 5 masq / ',
    },
    { block: ['checktype=external', 'checkcommand=/bin/a'], is: 'external /bin/a tcp 10.9.0.1 8080 5 masq / ' },
    { block: ['request="a::b"'], is: 'negotiate http tcp 10.9.0.1 8080 5 masq /a  b ' },
  ])('$block', ({ block, is }) => {
    const [server] = service(head, real, ...block.map((line) => `    ${line}`)).servers.values()
    expect(server?.identity).toBe(is)
  })

  const who = { at: new Date(2026, 10, 30, 0, 34, 50), pid: 28_116 }
  test.each([
    { detail: '200 OK', isUp: true, is: '[up] 200 OK' },
    { detail: '', isUp: true, is: '[up] -' },
    { detail: 'a|b 5%\r\n', isUp: false, is: '[down] a%7cb 5%25%0d%0a' },
  ])('$detail', ({ detail, isUp, is }) => {
    expect(monitorLine('connect tcp 1.2.3.4 80', { isUp, detail }, who)).toBe(
      `[Mon Nov 30 00:34:50 2026] [28116] connect tcp 1.2.3.4 80 ${is}\n`,
    )
  })
})
