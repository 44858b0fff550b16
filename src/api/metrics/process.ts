/** The process's own metrics, as prom-client has them. */
import { collectDefaultMetrics, Registry } from 'prom-client'

export function openProcessMetrics(): Registry {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  return registry
}
