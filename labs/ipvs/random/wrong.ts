/** Command lines with something changed at random: most are refused, and what is said about them matters. */
import type { Making } from './making.ts'
import { deletionLine, serverEditLine, serverLine, serviceEditLine, serviceLines } from './table.ts'

const vocabulary = [
  '-A', '-E', '-D', '-a', '-e', '-d', '-L', '-Z', '-S', '-C', '-t', '-u', '-f', '-6', '-s', '-p', '-M', '-r', '-g', '-i',
  '-m', '-w', '-x', '-y', '-n', '-c', '-o', '-b', '--pe', '--sort', '--nosort', '--exact', '--stats', '--rate', '--timeout',
  '--daemon', '--thresholds', '--persistent-conn', '--tun-info', '--tun-type', '--tun-port', '--tun-csum', '--tun-nocsum',
  '--tun-remcsum', '--sctp-service', '--set', '--bogus', '-q', '--', '-', "''", '0', '1', '-1', '65536', '4294967296',
  '10.50.0.1:80', '10.50.0.1', '10.9.0.2:80', '[fd50::1]:80', 'fd09::2', '10.50.0.1:http', '10.1:80', '0x0a320001:80',
  '10.50.0.1:080', '224.0.0.1', '0.0.0.0', 'name', 'rr', 'wrr', 'sip', 'ipip', 'gue', 'gre', 'sh-port', 'flag-1', 'mh-port',
  '255.255.255.0', '24', '64', '129', '-Ln', '-Lnc', '-w5', '-t=10.50.0.1:80', '--scheduler=rr', '--weight',
] // biome-ignore format: a list to read at a glance

/** Listing in the kernel's own order differs at every boot. */
const unsteady = new Set(['--nosort'])

export function wrongLine(making: Making): string {
  const { random } = making
  const makers = [serverLine, serverEditLine, serviceEditLine, deletionLine, listingLine, additionLine]
  const words = random
    .pick(makers)({ ...making, services: making.services.map((one) => ({ ...one, servers: [...one.servers] })) })
    .split(' ')
    .slice(1)
  const method = methodIn(words)
  for (let count = 1 + random.below(2); count > 0; count--) changeWord(words, making)
  const steady = words.filter((word) => !unsteady.has(word))
  return methodIn(steady) === method ? `ipvsadm ${steady.join(' ')}`.trimEnd() : 'ipvsadm -Ln'
}

/** A server's forwarding method must not change by mistake (making.ts). */
function methodIn(words: readonly string[]): string {
  return words.filter((word) => /^(-[gim]|--tun-type|gre|gue|ipip)$/.test(word)).join(' ')
}

function changeWord(words: string[], { random }: Making): void {
  const at = random.below(words.length + 1)
  const what = random.next()
  if (what < 0.35) words.splice(at, 0, random.pick(vocabulary))
  else if (what < 0.65) words.splice(at, 1)
  else if (what < 0.9) words.splice(at, 1, random.pick(vocabulary))
  else words.splice(at, 0, words[random.below(words.length)] ?? '')
}

function listingLine({ random }: Making): string {
  return `ipvsadm ${random.pick(['-Ln', '-L -n -c', '-Ln --stats', '-S', '-Z', '-L --timeout', '--set 100 200 300'])}`
}

function additionLine(making: Making): string {
  return serviceLines(making)[0] ?? ''
}
