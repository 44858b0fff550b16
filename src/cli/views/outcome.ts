/** What `baton up` says at its end: what runs now, the address to open, and how to take it away. */
import type { ClusterSpec } from '../../cluster/spec/model.ts'
import { formatEndpoint } from '../../lvs/service.ts'
import type { MachineStatusJson } from '../local/cluster-status.ts'
import type { StatusJson } from '../local/status.ts'
import type { Paint } from '../terminal/paint.ts'
import { clusterStatusView } from './cluster-status.ts'
import { statusView } from './status.ts'

export type OutcomeJson = {
  readonly cluster: string
  readonly file: string
  /** How many steps were taken. */
  readonly changes: number
  /** Where each TCP service answers: a URL where its check speaks HTTP. */
  readonly open: readonly { readonly service: string; readonly at: string }[]
  /** Of this machine. */
  readonly status: StatusJson
  /** Of all machines, where there are others. */
  readonly machines?: readonly MachineStatusJson[]
}

export function outcomeView(outcome: OutcomeJson, paint: Paint): string[] {
  const { cluster, file, changes, open, status, machines } = outcome
  const heading = changes === 0 ? `${cluster}: nothing to do, it runs as the file says` : `${cluster}: runs`
  return [
    paint('bold', heading),
    '',
    ...(machines === undefined ? statusView(status, paint) : clusterStatusView({ cluster, machines }, paint)),
    '',
    ...open.map(({ service, at }) => `open:   ${paint('cyan', at)} (${service})`),
    `look:   ${machines === undefined ? 'baton status, baton top' : `baton status ${shellWord(file)}`}`,
    `end it: baton down ${shellWord(file)}`,
  ]
}

/** The fake engine listens nowhere. */
export function whereToOpen({ services, directors }: ClusterSpec): OutcomeJson['open'] {
  if (directors.engine === 'fake') return []
  return Object.values(services).flatMap(({ name, service: { id }, checks }) => {
    if (id.kind !== 'address' || id.protocol !== 'tcp') return []
    const at = reachable(formatEndpoint(id))
    const asked = checks.find(({ probe }) => probe.kind === 'http')?.probe
    if (asked?.kind !== 'http') return [{ service: name, at }]
    return [{ service: name, at: `${asked.tls === undefined ? 'http' : 'https'}://${at}/` }]
  })
}

/** A wildcard address is opened through the loopback. */
function reachable(address: string): string {
  return address.replace(/^0\.0\.0\.0:/, '127.0.0.1:').replace(/^\[::\]:/, '[::1]:')
}

function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`
}
