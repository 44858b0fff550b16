/** Runs a script on the kernel: ipvsadm(8) and packets in the guest, and what came of them. */
import type { KernelIpvs } from './guest.ts'
import { decodeFrame, encodeFrame, type Packet, type Seen } from './packets.ts'
import type { Answer, GuestStep } from './protocol.ts'
import type { Outcome, Script, Step } from './script.ts'
import { serverOfMac, worldSteps } from './world.ts'

/** `atMs`: when the step began, in milliseconds of virtual time; the same script takes the same time at every run. */
export type Timed = { readonly atMs: number; readonly outcome: Outcome }

/** Every script has a world of its own. @throws Error when the world cannot be made. */
export async function runOnKernel(guest: KernelIpvs, script: Script): Promise<Timed[]> {
  const setUp = worldSteps(script.steps.some((step) => step.kind === 'packet' && step.packet.mark !== 0))
  const answers = await guest.do([...setUp, ...script.steps.map(guestStep)])
  for (const [index, step] of setUp.entries()) mustHaveWorked(step, answers[index])
  return script.steps.map((step, index) => {
    const answer = answers[setUp.length + index] as Answer<GuestStep['kind']>
    return { atMs: answer.atMs, outcome: outcomeOf(step, answer) }
  })
}

function mustHaveWorked(step: GuestStep, answer: unknown): void {
  const { code = 0, stderr = '', error } = answer as Partial<Answer<'run'>> & { error?: string }
  if (code !== 0 || error !== undefined)
    throw new Error(`the guest's world: ${JSON.stringify(step).slice(0, 200)}: ${stderr}${error ?? ''}`)
}

function guestStep(step: Step): GuestStep {
  switch (step.kind) {
    case 'ipvsadm':
      return { kind: 'run', command: ['ipvsadm', ...step.arguments], input: step.input }
    case 'packet':
      return { kind: 'frame', frame: encodeFrame(step.packet) }
    case 'sysctl':
      return { kind: 'write', file: `/proc/sys/net/ipv4/vs/${step.name}`, content: step.value }
    case 'sleep':
    case 'until':
      return { kind: step.kind, ms: step.ms }
  }
}

function outcomeOf(step: Step, answer: Answer<GuestStep['kind']>): Outcome {
  switch (step.kind) {
    case 'ipvsadm': {
      const { code, stdout, stderr } = answer as Answer<'run'>
      return { kind: 'ipvsadm', code, stdout, stderr }
    }
    case 'packet': {
      const seen = (answer as Answer<'frame'>).frames.flatMap((frame) => decodeFrame(frame) ?? [])
      return { kind: 'packet', verdict: seen.map((one) => verdictOf(step.packet, one)).join(' and ') || 'nothing' }
    }
    case 'sysctl':
      return { kind: 'sysctl', isRefused: (answer as Answer<'write'>).error !== undefined }
    case 'sleep':
    case 'until':
      return { kind: 'sleep' }
  }
}

/**
 * What became of a packet, from what left the director because of it: `masq SERVER`, `direct SERVER`, `tunnel SERVER
 * TYPE`, `reply from VIP` (translated back), `forwarded` (none of ours), `refused` (no such port), `reset`.
 */
function verdictOf(packet: Packet, seen: Seen): string {
  if (seen.kind !== 'packet') return seen.kind === 'no-port' ? 'refused' : 'not ours'
  const at = ({ address, port }: Packet['to']): string => `${address} ${port}`
  if (seen.outer !== undefined) return `tunnel ${seen.outer.to} ${seen.outer.tunnel}`
  const isOnward = at(seen.from) === at(packet.from)
  if (isOnward && at(seen.to) === at(packet.to)) {
    const server = serverOfMac.get(seen.toMac)
    return server === undefined ? 'forwarded' : `direct ${server}`
  }
  if (isOnward) return `masq ${at(seen.to)}`
  if (at(seen.to) === at(packet.to)) return `reply from ${at(seen.from)}`
  if (at(seen.from) === at(packet.to) && seen.flags.includes('rst')) return 'reset'
  return `unexpected: ${JSON.stringify(seen)}`
}
