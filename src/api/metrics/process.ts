/** The process's own metrics, as prom-client has them. */
import { collectDefaultMetrics, Registry } from 'prom-client'

/** Not these: they count every socket anew each time, by what Node does not document, and some break Prometheus' rules for names. */
const left = ['resources', 'handles', 'requests'].flatMap((what) => [
  `nodejs_active_${what}`,
  `nodejs_active_${what}_total`,
])

export function openProcessMetrics(): Registry {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  for (const name of left) registry.removeSingleMetric(name)
  return registry
}
