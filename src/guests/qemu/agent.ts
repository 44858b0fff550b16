/**
 * What the agent in a guest says of its network (QEMU's docs/interop/qemu-ga.rst): lines of JSON over a virtio serial port. It is
 * asked only while it has the port open; one that does not answer in time is passed over.
 */

import { within } from '../../deadline.ts'
import { isInfraError } from '../../errors.ts'
import type { Host } from '../../hosts/host.ts'
import type { CallOptions } from '../hypervisor.ts'

export const agentPort = 'org.qemu.guest_agent.0'
const patienceMs = 1_500
/** What says more is no agent. */
const maxBytes = 1024 ** 2

type Interface = {
  readonly name?: string
  readonly 'ip-addresses'?: readonly { readonly 'ip-address'?: string }[]
}

/** Empty where no agent answers. */
export async function agentAddresses(host: Host, socket: string, { signal }: CallOptions): Promise<readonly string[]> {
  const limit = within(signal, patienceMs)
  try {
    const stream = await host.connect(socket, { signal: limit })
    const end = (): void => void stream.destroy()
    limit.addEventListener('abort', end, { once: true })
    try {
      // An answer that somebody else has asked for ends before the mark, and is not ours.
      const id = Math.floor(Math.random() * 2 ** 31)
      stream.write(`\xff${JSON.stringify({ execute: 'guest-sync-delimited', arguments: { id } })}\n`, 'latin1')
      stream.write(`${JSON.stringify({ execute: 'guest-network-get-interfaces' })}\n`)
      let text = ''
      for await (const piece of stream) {
        text += (piece as Buffer).toString('latin1')
        const line = afterSync(text, id)
        if (line !== undefined) return addressesIn(line)
        if (text.length > maxBytes) return []
      }
      return []
    } finally {
      limit.removeEventListener('abort', end)
      stream.destroy()
    }
  } catch (error) {
    signal.throwIfAborted()
    if (isInfraError(error) || limit.aborted) return []
    throw error
  }
}

/** The line behind the answer to our mark; undefined while it has not come whole. */
export function afterSync(text: string, id: number): string | undefined {
  const [, ...lines] = text.slice(text.lastIndexOf('\xff') + 1).split('\n')
  const isOurs = text.includes('\xff') && new RegExp(`"return":\\s*${id}\\b`).test(text)
  return isOurs && lines.length > 1 ? lines[0] : undefined
}

/** Of all cards but the loopback; those in the order in which the guest has them. */
export function addressesIn(line: string): string[] {
  const answer = JSON.parse(line) as { readonly return?: readonly Interface[] }
  const cards = (answer.return ?? []).filter(({ name }) => name !== 'lo')
  return cards.flatMap((card) => (card['ip-addresses'] ?? []).flatMap((one) => one['ip-address'] ?? []))
}
