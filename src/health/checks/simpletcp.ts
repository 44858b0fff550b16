/** Check `simpletcp`: sends a text, and what comes back must match. */
import type { Probe, SimpleTcpCheckSpec } from '../check.ts'
import { boundedMatch } from './bounded-match.ts'
import { converse, misspoken } from './conversation.ts'
import { shown, up } from './verdict.ts'

/** All matching of one check takes no longer than this: a server that drips has its answer looked at again and again. */
const maxMatchMs = 500
/** So much of what a server sends is looked at. */
const maxBytes = 64 * 1024

export function simpleTcpProbe(spec: SimpleTcpCheckSpec): Probe {
  const matches = boundedMatch(spec.expect ?? '')
  return (target, { signal, from }) =>
    converse(target, { signal, from, tls: spec.tls }, async (talk) => {
      if (spec.send !== undefined) talk.send(spec.send)
      if (spec.halfClose === true) talk.finish()
      let text = ''
      let spentMs = 0
      while (text.length < maxBytes) {
        const more = await talk.some()
        if (more === undefined) break
        text = (text + more.toString('latin1')).slice(0, maxBytes)
        talk.await('no answer that matches')
        const begun = performance.now()
        const match = matches(text)
        spentMs += performance.now() - begun
        if (match === 'yes') return up(`answered ${shown(text)}`)
        if (match === 'too slow' || spentMs > maxMatchMs) throw misspoken('the pattern takes too long')
      }
      throw misspoken(text === '' ? 'it closed the connection' : `the answer does not match: ${shown(text)}`)
    })
}
