/** Check `pop3`: greeting, STLS and USER/PASS on request, QUIT (RFC 1939, 2595). */
import type { Pop3CheckSpec, Probe } from '../check.ts'
import { type Conversation, converse, misspoken } from './conversation.ts'
import { farewell, sendLine } from './replies.ts'
import { securing } from './securing.ts'
import { shown, up } from './verdict.ts'

export function pop3Probe(spec: Pop3CheckSpec): Probe {
  const { tls, starttls } = securing(spec)
  const { login } = spec
  return (target, { signal, from }) =>
    converse(target, { signal, from, tls }, async (talk) => {
      talk.await('no greeting')
      accepted(await talk.line(), 'the greeting is')
      if (starttls !== undefined) {
        await ask(talk, 'STLS')
        talk.await('no TLS handshake')
        await talk.startTls(starttls)
      }
      if (login !== undefined) {
        await ask(talk, `USER ${login.user}`, 'USER')
        await ask(talk, `PASS ${login.password}`, 'PASS')
      }
      await farewell(talk, 'QUIT')
      return up(login === undefined ? 'it greets' : 'the login is accepted')
    })
}

async function ask(talk: Conversation, command: string, name = command): Promise<void> {
  talk.await(`no answer to ${name}`)
  sendLine(talk, command)
  accepted(await talk.line(), `${name} is answered with`)
}

/** RFC 1939 §3: an answer is +OK or -ERR, and then any text. */
function accepted(line: string, what: string): void {
  if (!/^\+OK(\s|$)/i.test(line)) throw misspoken(`${what} ${shown(line)}`)
}
