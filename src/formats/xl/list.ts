/** `xl list -v` read: the domains that a host has (xl(1), Xen 4.17, tools/xl/xl_list.c). Pure. */

/** What the six flags say; a domain without any of them is runnable. `shutdown`: it ended and its remains stand. */
export type DomainState = 'running' | 'paused' | 'shutdown' | 'crashed' | 'dying'

export type Domain = {
  readonly name: string
  readonly id: number
  readonly memoryMebibytes: number
  readonly vcpus: number
  readonly state: DomainState
  readonly cpuSeconds: number
  readonly uuid: string
  /** Why it ended: 0 power-off, 1 reboot, 2 suspend, 3 crash, 4 watchdog; undefined while it runs. */
  readonly shutdownReason: number | undefined
}

/** Names may hold blanks, or be empty: a row is read from its right end. The header and anything else gives nothing. */
const row =
  /^(.*?)\s+(\d+)\s+(\d+)\s+(\d+)\s+([a-zA-Z?-]{6})\s+([\d.]+)\s+([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\s+(-|\d+)(?:\s.*)?$/

export function parseDomains(text: string): Domain[] {
  return text.split('\n').flatMap((line) => {
    const [, name = '', id, memory, vcpus, flags = '', seconds, uuid = '', reason] = row.exec(line) ?? []
    if (id === undefined) return []
    const domain = { name, id: Number(id), memoryMebibytes: Number(memory), vcpus: Number(vcpus), uuid }
    const shutdownReason = flags[3] === 's' ? (reason === '-' ? 0 : Number(reason)) : undefined
    return [{ ...domain, state: stateOf(flags), cpuSeconds: Number(seconds), shutdownReason }]
  })
}

/** Flags by position: running, blocked, paused, shut down, the reason, dying. An idle domain is blocked, and runs. */
function stateOf(flags: string): DomainState {
  if (flags[5] === 'd') return 'dying'
  if (flags[3] === 's') return flags[4] === 'c' ? 'crashed' : 'shutdown'
  return flags[2] === 'p' ? 'paused' : 'running'
}
