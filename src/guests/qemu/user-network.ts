/** The forwarded ports of QEMU's user network, as its monitor prints them. Pure. */
import type { GuestReach } from '../hypervisor.ts'

/** Reads `info usernet`: `  TCP[HOST_FORWARD]  11       127.0.0.1 41183       10.0.2.15    80     0     0`. */
export function parseForwards(text: string): GuestReach[] {
  const found: GuestReach[] = []
  for (const match of text.matchAll(/^\s*(TCP|UDP)\[HOST_FORWARD\]\s+\d+\s+(\S+)\s+(\d+)\s+\S+\s+(\d+)/gm)) {
    const [, protocol, address = '', port, guestPort] = match
    found.push({
      protocol: protocol === 'UDP' ? 'udp' : 'tcp',
      address,
      port: Number(port),
      guestPort: Number(guestPort),
    })
  }
  return found.sort((a, b) => a.guestPort - b.guestPort || a.protocol.localeCompare(b.protocol))
}

export type Forward = { readonly protocol: 'tcp' | 'udp'; readonly port: number }

/** `hostPort` 0 lets the kernel choose a free one. */
export function forwardRule(forward: Forward, hostPort: number): string {
  return `${forward.protocol}:127.0.0.1:${hostPort}-:${forward.port}`
}

const isSame = (reach: GuestReach, forward: Forward): boolean =>
  reach.protocol === forward.protocol && reach.guestPort === forward.port

export function sameForwards(standing: readonly GuestReach[], wanted: readonly Forward[]): boolean {
  return forwardChanges(standing, wanted).length === 0
}

/** What a running guest's forwards lack and have too much, as monitor commands. */
export function forwardChanges(standing: readonly GuestReach[], wanted: readonly Forward[]): string[] {
  const added = wanted.filter((forward) => !standing.some((reach) => isSame(reach, forward)))
  const removed = standing.filter((reach) => !wanted.some((forward) => isSame(reach, forward)))
  return [
    ...removed.map(({ protocol, address, port }) => `hostfwd_remove net0 ${protocol}:${address}:${port}`),
    ...added.map((forward) => `hostfwd_add net0 ${forwardRule(forward, 0)}`),
  ]
}

/** The host port that QEMU could not have: `Could not set up host forwarding rule 'tcp:127.0.0.1:41183-:80'`. */
export function refusedForward(stderr: string): { readonly protocol: string; readonly port: number } | undefined {
  const [, protocol, port] = /forwarding rule '(tcp|udp):127\.0\.0\.1:(\d+)-:\d+'/.exec(stderr) ?? []
  return protocol === undefined ? undefined : { protocol, port: Number(port) }
}
