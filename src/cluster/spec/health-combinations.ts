/** What holds between a service's keys for its health: its checks, slow start and panic. Looks at what is written. */
import type { Service } from '../../lvs/service.ts'
import {
  child,
  items,
  oneOrMore,
  problem,
  type Report,
  type SourceMap,
  type SourceNode,
  textOf,
  warning,
} from './source.ts'

/** Why a weight that grows step by step is nothing to some schedulers. */
const noSlowStart: Readonly<Partial<Record<Service['scheduler'], string>>> = {
  rr: 'rr heeds no weights',
  lc: 'lc heeds no weights',
  dh: 'dh heeds no weights',
  sh: 'sh chooses by a hash of the client: each step would move clients to other servers',
  mh: 'mh chooses by a hash of the client: each step would move clients to other servers',
  fo: 'fo sends everything to the greatest weight: it would change at once, or not at all',
  ovf: 'ovf takes a weight for the number of connections that a server may have',
  none: 'without a scheduler nobody heeds weights',
}

export const slowStartRefusal = (scheduler: Service['scheduler']): string | undefined => noSlowStart[scheduler]

export function checkHealth(service: SourceMap, report: Report): void {
  const { entries } = service
  const slowStart = entries.get('slow-start')
  const scheduler = textOf(entries.get('scheduler')?.value) ?? 'wlc'
  const refused = Object.hasOwn(noSlowStart, scheduler)
    ? slowStartRefusal(scheduler as Service['scheduler'])
    : undefined
  if (slowStart !== undefined && refused !== undefined)
    report(
      problem(
        slowStart.key,
        `slow-start does not go with scheduler ${scheduler}: ${refused}`,
        'wrr and wlc heed weights',
      ),
    )
  const servers = items(entries.get('servers')?.value)
  const isChecked = [service, ...servers].some((one) => oneOrMore(child(one, 'check')).some(checks))
  for (const key of ['slow-start', 'panic-threshold']) {
    const entry = entries.get(key)
    if (entry !== undefined && !isChecked)
      report(warning(entry.key, `${key} has nothing to go by: no server is checked`, 'add check: tcp'))
  }
  checkQuorum(service, report)
  for (const one of [service, ...servers])
    for (const check of oneOrMore(child(one, 'check'))) checkConnects(check, report)
}

/** keepalived takes no hysteresis that reaches down to nothing either. */
function checkQuorum({ entries }: SourceMap, report: Report): void {
  const quorum = entries.get('quorum')
  if (quorum === undefined) return
  if (!entries.has('fallback'))
    report(warning(quorum.key, 'quorum changes nothing without a fallback', 'add fallback: 127.0.0.1:8081'))
  const hysteresis = child(quorum.value, 'hysteresis')
  const weight = Number(textOf(child(quorum.value, 'weight')) ?? 1)
  if (hysteresis !== undefined && Number(textOf(hysteresis)) >= weight && Number(textOf(hysteresis)) > 0)
    report(problem(hysteresis.place, `the hysteresis must be smaller than the quorum's weight (${weight})`))
}

function checks(check: SourceNode): boolean {
  return textOf(check) !== 'none'
}

/** A connection says nothing of a server that is asked over UDP. */
function checkConnects(check: SourceNode, report: Report): void {
  if (check.kind !== 'map') return
  const [connects, timeout] = [check.entries.get('connects'), check.entries.get('connect-timeout')]
  if (connects === undefined) {
    if (timeout !== undefined)
      report(problem(timeout.key, 'connect-timeout goes with connects only', 'add connects: 5, or remove it'))
    return
  }
  for (const kind of ['dns', 'sip']) {
    const asked = child(check, kind)
    if (asked !== undefined && textOf(child(asked, 'transport')) !== 'tcp')
      report(
        problem(
          connects.key,
          `connects opens TCP connections, but ${kind} goes over udp`,
          'remove it, or write transport: tcp',
        ),
      )
  }
}
