/**
 * The lab's scripts: what a person and clients do to a director, one step per line.
 *
 *     ipvsadm -A -t 10.50.0.1:80 -s rr            '' is an empty word
 *     | -a -t 10.50.0.1:80 -r 10.9.0.2            a line of its standard input (for -R)
 *     tcp 192.0.2.1:4000 > 10.50.0.1:80 syn,ack   a packet that reaches the director; [v6]:port; `mark 7` at its end
 *     udp 192.0.2.1:4000 > 10.50.0.1:53 "text"
 *     sctp 192.0.2.1:4000 > 10.50.0.1:80 INIT,DATA
 *     icmp 192.0.2.9 > 10.50.0.1 about tcp 10.50.0.1:80 > 192.0.2.1:4000      host unreachable
 *     sysctl expire_nodest_conn 1
 *     sleep 2500                                  milliseconds
 *     until 7000                                  sleeps until so long after the script began
 */
import { parseAddress, parseEndpoint } from '../../src/lvs/address.ts'
import type { SctpChunk } from '../../src/lvs/packet.ts'
import type { Protocol } from '../../src/lvs/service.ts'
import type { Packet, TcpFlag } from './packets.ts'

export type Step =
  | { readonly kind: 'ipvsadm'; readonly line: string; readonly arguments: readonly string[]; readonly input: string }
  | { readonly kind: 'packet'; readonly line: string; readonly packet: Packet }
  | { readonly kind: 'sysctl'; readonly line: string; readonly name: string; readonly value: string }
  | { readonly kind: 'sleep' | 'until'; readonly line: string; readonly ms: number }

export type Script = { readonly name: string; readonly steps: readonly Step[] }

/** @throws Error with the line that is not a step. Empty lines and those that begin with # are passed over. */
export function parseScript(name: string, text: string): Script {
  const steps: Step[] = []
  for (const line of text.split('\n').map((raw) => raw.trim())) {
    if (line === '' || line.startsWith('#')) continue
    const last = steps.at(-1)
    if (line.startsWith('|') && last?.kind === 'ipvsadm')
      steps[steps.length - 1] = { ...last, input: `${last.input}${line.slice(1).trimStart()}\n` }
    else steps.push(parseStep(name, line))
  }
  return { name, steps }
}

export function formatScript({ steps }: Script): string {
  return steps
    .flatMap((step) => [
      step.line,
      ...(step.kind === 'ipvsadm' && step.input !== ''
        ? step.input
            .trimEnd()
            .split('\n')
            .map((line) => `| ${line}`)
        : []),
    ])
    .join('\n')
}

function parseStep(script: string, line: string): Step {
  const [word = '', ...rest] = line.split(/\s+/)
  const [first = '', second = ''] = rest
  switch (word) {
    case 'ipvsadm':
      return { kind: 'ipvsadm', line, arguments: rest.map((part) => (part === "''" ? '' : part)), input: '' }
    case 'sysctl':
      return { kind: 'sysctl', line, name: first, value: second }
    case 'sleep':
    case 'until':
      return { kind: word, line, ms: Number(first) }
    case 'tcp':
    case 'udp':
    case 'sctp':
    case 'icmp':
      return { kind: 'packet', line, packet: parsePacket(script, line, word) }
    default:
      throw new Error(`${script}: not a step: ${line}`)
  }
}

const packetPattern = /^\w+ (\S+) > (\S+)(?: ([A-Za-z_,]+)(?= |$))?(?: "([^"]*)")?(?: mark (\d+))?$/

const errorPattern = /^icmp (\S+) > (\S+) about ((?:tcp|udp|sctp) .*)$/

function parsePacket(script: string, line: string, protocol: Protocol | 'icmp'): Packet {
  if (protocol === 'icmp') return parseError(script, line)
  const [, fromText = '', toText = '', detail = '', payload = '', mark = '0'] = packetPattern.exec(line) ?? []
  const [from, to] = [parseEndpoint(fromText), parseEndpoint(toText)]
  if (from === undefined || to === undefined) throw new Error(`${script}: not a packet: ${line}`)
  const details = detail === '' ? [] : detail.split(',')
  return {
    protocol,
    from,
    to,
    flags: protocol === 'tcp' ? (details as TcpFlag[]) : [],
    chunks: protocol === 'sctp' ? (details as SctpChunk[]) : [],
    payload: payload.replaceAll('\\r\\n', '\r\n'),
    mark: Number(mark),
  }
}

function parseError(script: string, line: string): Packet {
  const [, from = '', to = '', about = ''] = errorPattern.exec(line) ?? []
  const told = parsePacket(script, about, about.split(' ')[0] as Protocol)
  const [source, destination] = [parseAddress(from), parseAddress(to)]
  if (source === undefined || destination === undefined) throw new Error(`${script}: not an ICMP error: ${line}`)
  return {
    protocol: 'icmp',
    from: { address: source, port: 0 },
    to: { address: destination, port: 0 },
    flags: [],
    chunks: [],
    payload: '',
    about: told,
    mark: told.mark,
  }
}

/** What a step led to, in one form for the kernel and for Baton. */
export type Outcome =
  | { readonly kind: 'ipvsadm'; readonly code: number; readonly stdout: string; readonly stderr: string }
  | { readonly kind: 'packet'; readonly verdict: string }
  | { readonly kind: 'sysctl'; readonly isRefused: boolean }
  | { readonly kind: 'sleep' }
