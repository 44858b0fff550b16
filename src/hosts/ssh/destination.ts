/** Where a host is reached: what people write behind `ssh`. */

export type Destination = { readonly host: string; readonly user?: string; readonly port?: number }

export const destinationForm = 'host, user@host, user@host:port or ssh://user@host:port'

/** undefined for what is none. An IPv6 address with a port stands in brackets, as in ssh(1)'s URI. */
export function parseDestination(text: string): Destination | undefined {
  const match =
    /^(?:ssh:\/\/)?(?:(?<user>[^\s@:/-][^\s@:/]*)@)?(?:\[(?<v6>[0-9A-Fa-f:.]+(?:%[\w.-]+)?)\]|(?<host>[A-Za-z0-9_][A-Za-z0-9_.-]*))(?::(?<port>\d{1,5}))?\/?$/.exec(
      text,
    )
  if (match?.groups === undefined) return undefined
  const { user, v6, host = v6, port } = match.groups
  if (host === undefined || (port !== undefined && (Number(port) < 1 || Number(port) > 65_535))) return undefined
  return { host, ...(user === undefined ? {} : { user }), ...(port === undefined ? {} : { port: Number(port) }) }
}

export function formatDestination({ host, user, port }: Destination): string {
  const name = host.includes(':') ? `[${host}]` : host
  return `${user === undefined ? '' : `${user}@`}${name}${port === undefined ? '' : `:${port}`}`
}
