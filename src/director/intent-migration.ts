/** An intent that an earlier version wrote, in the words of this one. Pure; what it does not know stays as it is. */

type Written = Readonly<Record<string, unknown>>

const isWritten = (value: unknown): value is Written =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** The intent as the version before wrote it: a service had one `check`, and a server the one port where it reached it. */
export function migrated(intent: unknown): unknown {
  if (!isWritten(intent)) return intent
  const each = (list: unknown, change: (one: Written) => Written): unknown =>
    Array.isArray(list) ? list.map((one: unknown) => (isWritten(one) ? change(one) : one)) : list
  return {
    ...intent,
    clusters: each(intent['clusters'], (cluster) => ({
      ...cluster,
      services: each(cluster['services'], ({ check, ...service }) => {
        if ('checks' in service) return check === undefined ? service : { ...service, check }
        const servers = each(service['servers'], ({ checkPort, ...server }) => {
          const port = (isWritten(check) ? check['port'] : undefined) ?? server['guestPort']
          return checkPort === undefined ? server : { ...server, checkPorts: { [String(port)]: checkPort } }
        })
        return { ...service, servers, checks: check === undefined ? [] : [check] }
      }),
    })),
  }
}
