/** Who the clients of `crowd.ts` are. */

export const clientsNetwork = '198.18.0.0/16'
export const firstAddress = 0xc612_0000
export const firstPort = 20_000
export const clientsPerPort = 65_536

/** From 0, of `198.18.HIGH.LOW:PORT`. */
export function clientNumber(endpoint: string): number {
  const [, , high, low, port] = endpoint.split(/[.:]/u).map(Number)
  return ((port ?? Number.NaN) - firstPort) * clientsPerPort + (high ?? Number.NaN) * 256 + (low ?? Number.NaN)
}
