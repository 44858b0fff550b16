/** Check `nntp`: greeting, STARTTLS, AUTHINFO and GROUP on request, QUIT (RFC 3977, 4642, 4643). */
import type { NntpCheckSpec, Probe } from '../check.ts'
import { converse } from './conversation.ts'
import { asked, farewell, greeted } from './replies.ts'
import { securing } from './securing.ts'
import { up } from './verdict.ts'

export function nntpProbe(spec: NntpCheckSpec): Probe {
  const { tls, starttls } = securing(spec)
  const { login, group } = spec
  return (target, { signal, from }) =>
    converse(target, { signal, from, tls }, async (talk) => {
      // RFC 3977 §5.1: posting allowed, or not.
      await greeted(talk, [200, 201])
      if (starttls !== undefined) {
        await asked(talk, 'STARTTLS', [382])
        talk.await('no TLS handshake')
        await talk.startTls(starttls)
      }
      if (login !== undefined) {
        const { code } = await asked(talk, `AUTHINFO USER ${login.user}`, [381, 281], 'AUTHINFO USER')
        if (code === 381) await asked(talk, `AUTHINFO PASS ${login.password}`, [281], 'AUTHINFO PASS')
      }
      if (group !== undefined) await asked(talk, `GROUP ${group}`, [211])
      await farewell(talk, 'QUIT')
      if (group !== undefined) return up('the group is there')
      return up(login === undefined ? 'it greets' : 'the login is accepted')
    })
}
