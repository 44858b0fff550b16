/** How packets reach a real server: `lb_kind`, `lvs_method` and `sorry_server_lvs_method`, with their tunnels. */
import type { Place, Report } from './finding.ts'
import { readInteger } from './keyword.ts'
import type { Method } from './model.ts'
import { ports } from './places.ts'
import { allOf, type Entry } from './tree.ts'

export function readMethod(
  entries: readonly Entry[],
  of: 'virtual' | 'real' | 'sorry',
  report: Report,
): Method | undefined {
  let method: Method | undefined
  const keywords = of === 'sorry' ? ['sorry_server_lvs_method'] : ['lb_kind', 'lvs_method']
  for (const { words, place } of allOf(entries, ...keywords)) {
    const [forward = '', ...rest] = words
    if (forward === 'NAT' || forward === 'DR' || forward === 'TUN') {
      const tunnel = readTunnel(rest, of, place, report)
      method = { forward, ...(forward === 'TUN' ? tunnel : {}) }
    } else report(5, place, `PARSER : unknown [${forward}] routing method for ${of} server.`)
  }
  return method
}

/** `[type ipip|gre|gue port N] [nocsum|csum|remcsum]`. */
function readTunnel(
  words: readonly string[],
  of: string,
  place: Place,
  report: Report,
): { readonly tunnel?: NonNullable<Method['tunnel']> } {
  let type: 'ipip' | 'gre' | 'gue' = 'ipip'
  let port: number | undefined
  let checksum: 'nocsum' | 'csum' | 'remcsum' = 'nocsum'
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at]
    const next = words[at + 1]
    if (word === 'type' || word === 'port') {
      at += 1
      if (word === 'type' && (next === 'ipip' || next === 'gre' || next === 'gue')) type = next
      else if (word === 'type')
        report(
          5,
          place,
          next === undefined
            ? `Missing tunnel type for ${of} server.`
            : `Unknown tunnel type ${next} for ${of} server.`,
        )
      else {
        const number = next === undefined ? undefined : readInteger(next, ports)
        if (number === undefined) report(5, place, `Missing port for ${of} server gue tunnel.`)
        else if (typeof number === 'number') port = number
        else {
          report(5, place, number)
          report(5, place, `Invalid gue tunnel port ${next} for ${of} server.`)
        }
      }
    } else if (word === 'nocsum' || word === 'csum' || word === 'remcsum') checksum = word
    else report(5, place, `Invalid tunnel option ${word} for ${of} server.`)
  }
  if ((type === 'gue') !== (port !== undefined)) {
    report(5, place, 'gue tunnels require port, otherwise cannot have port.')
    return {}
  }
  if (type === 'ipip' && checksum !== 'nocsum') report(5, place, 'ipip tunnels do not support checksum option.')
  if (type === 'gre' && checksum === 'remcsum') report(5, place, 'gre tunnels do not support remote checksum option.')
  return type === 'ipip' ? {} : { tunnel: { type, checksum, ...(port === undefined ? {} : { port }) } }
}
