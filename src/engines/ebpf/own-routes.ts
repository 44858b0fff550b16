/**
 * Whether the program may ask for the routes of the director itself, as IPVS does, which needs no machine that forwards
 * anything else: the kernel tells them of `lo` when that forwards. Nothing comes in by `lo` that could be forwarded.
 */
import { readFileSync, writeFileSync } from 'node:fs'

const setting = (family: 'ipv4' | 'ipv6', name: 'lo' | 'all'): string =>
  `/proc/sys/net/${family}/conf/${name}/forwarding`
/** The kernel forgets routes that routers have told of (RFC 4861) when an interface begins to forward. */
const RTF_DEFAULT = 0x0001_0000

export function openOwnRoutes(): void {
  put('ipv4', '1')
  if (!hasToldRoutes()) put('ipv6', '1')
}

/** As they were: `lo` follows the setting for all interfaces. */
export function closeOwnRoutes(): void {
  for (const family of ['ipv4', 'ipv6'] as const) put(family, read(setting(family, 'all')) ?? '0')
}

function put(family: 'ipv4' | 'ipv6', value: string): void {
  const file = setting(family, 'lo')
  const before = read(file)
  if (before === undefined || before === value) return
  try {
    writeFileSync(file, value)
  } catch {
    // A container's: the program then does with interfaces that forward.
  }
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch {
    return undefined
  }
}

function hasToldRoutes(): boolean {
  const flags = (read('/proc/self/net/ipv6_route') ?? '').split('\n').map((line) => line.trim().split(/\s+/u)[8])
  return flags.some((flag) => flag !== undefined && (Number.parseInt(flag, 16) & RTF_DEFAULT) !== 0)
}
