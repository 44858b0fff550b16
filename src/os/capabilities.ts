/** What this process may do beyond other users, capabilities(7). */
import { readFileSync } from 'node:fs'

/** By their numbers, include/uapi/linux/capability.h. */
const numbers = { CAP_NET_ADMIN: 12, CAP_SYS_MODULE: 16, CAP_SYS_ADMIN: 21, CAP_PERFMON: 38, CAP_BPF: 39 } as const
export type Capability = keyof typeof numbers

/** What CAP_SYS_ADMIN included before Linux 5.8, and still does. */
const ofSysAdmin: readonly Capability[] = ['CAP_PERFMON', 'CAP_BPF']

/** Those of `needed` that are not in force for this process. */
export function missingCapabilities(needed: readonly Capability[]): Capability[] {
  return capabilitiesNotIn(readFileSync('/proc/self/status', 'utf8'), needed)
}

/** `status`: the text of /proc/PID/status, proc_pid_status(5). */
export function capabilitiesNotIn(status: string, needed: readonly Capability[]): Capability[] {
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/mu.exec(status)?.[1] ?? '0'}`)
  const has = (name: Capability): boolean => (effective & (1n << BigInt(numbers[name]))) !== 0n
  return needed.filter((name) => !has(name) && !(ofSysAdmin.includes(name) && has('CAP_SYS_ADMIN')))
}
