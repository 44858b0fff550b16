/** The director's events as lines of its log. */
import type { Logger } from 'pino'
import type { DirectorEvent } from '../director/events.ts'

export function logEvent(log: Logger, event: DirectorEvent): void {
  const { kind, ...fields } = event
  const entry = { component: 'director', event: kind, ...fields }
  if (isTrouble(event)) log.warn(entry, messages[kind])
  else log.info(entry, messages[kind])
}

function isTrouble(event: DirectorEvent): boolean {
  if (event.kind === 'server.health') return event.to === 'unhealthy'
  if (event.kind === 'service.state') return event.to !== 'served'
  if (event.kind === 'table.edited') return event.refused > 0
  if (event.kind === 'command.ran') return event.failure !== undefined
  return troubles.has(event.kind)
}

const troubles: ReadonlySet<DirectorEvent['kind']> = new Set([
  'engine.failed',
  'checks.hindered',
  'intent.trouble',
  'maintenance.trouble',
  'vrrp.trouble',
  'guest.restarting',
  'guest.failed',
  'guest.left',
  'cluster.refused',
  'events.lost',
])

const messages: Readonly<Record<DirectorEvent['kind'], string>> = {
  'checks.hindered': 'checks come late, or cannot run',
  'checks.unhindered': 'checks keep their times again',
  'server.wavered': 'results contradict a server’s health, not enough yet',
  'server.steadied': 'a server’s health is not contradicted any more',
  'check.result': 'result of a check',
  'command.ran': 'a command was run',
  'cluster.refused': 'the cluster was not taken; nothing changed',
  'events.lost': 'someone was not told of everything',
  'server.health': 'server health changed',
  'server.added': 'server added',
  'server.changed': 'server changed',
  'server.removed': 'server removed',
  'service.added': 'service added',
  'service.changed': 'service changed',
  'service.removed': 'service removed',
  'service.state': 'who serves the service changed',
  'engine.failed': 'the engine could not be brought to what is wanted; trying again',
  'engine.recovered': 'the engine is as wanted again',
  'cluster.put': 'cluster put',
  'cluster.removed': 'cluster removed',
  'server.drained': 'server drained by hand',
  'server.undrained': 'drain undone by hand',
  'table.edited': 'table edited by hand',
  'table.changed': 'many services or servers changed at once',
  'settings.changed': 'settings changed',
  'guest.moved': 'guest is reached elsewhere',
  'guest.restarting': 'a guest whose checks fail is restarted',
  'guest.restarted': 'the guest was restarted',
  'guest.failed': 'the guest could not be restarted',
  'guest.left': 'restarts did not help: the guest is left to people',
  'intent.trouble': 'what was kept could not be read',
  'maintenance.trouble': 'the maintenance directory cannot be read',
  'vrrp.turned': 'a virtual router has another role',
  'vrrp.trouble': 'something is wrong with a virtual router',
  'vrrp.priority': 'a virtual router has another priority',
  'vrrp.contested': 'another master of lower priority was answered',
}
