/** Check `imap`: greeting, STARTTLS, LOGIN and EXAMINE on request, LOGOUT (RFC 9051). */
import type { ImapCheckSpec, Probe } from '../check.ts'
import { type Conversation, converse, misspoken } from './conversation.ts'
import { farewell, sendLine } from './replies.ts'
import { securing } from './securing.ts'
import { shown, up } from './verdict.ts'

/** A mailbox's answer has a few lines; a server that goes on is not ours to listen to. */
const maxLines = 256

export function imapProbe(spec: ImapCheckSpec): Probe {
  const { tls, starttls } = securing(spec)
  const { login, mailbox } = spec
  return (target, { signal, from }) =>
    converse(target, { signal, from, tls }, async (talk) => {
      talk.await('no greeting')
      const greeting = await talk.line()
      if (!/^\* (OK|PREAUTH)(\s|$)/i.test(greeting)) throw misspoken(`the greeting is ${shown(greeting)}`)
      const isKnown = /^\* PREAUTH/i.test(greeting)
      if (starttls !== undefined) {
        await ask(talk, 'STARTTLS')
        talk.await('no TLS handshake')
        await talk.startTls(starttls)
      }
      if (login !== undefined && !isKnown)
        await ask(talk, `LOGIN ${quoted(login.user)} ${quoted(login.password)}`, 'LOGIN')
      if (mailbox !== undefined) await ask(talk, `EXAMINE ${quoted(mailbox)}`, 'EXAMINE')
      await farewell(talk, 'b LOGOUT')
      if (mailbox !== undefined) return up('the mailbox can be opened')
      return up(login === undefined ? 'it greets' : 'the login is accepted')
    })
}

async function ask(talk: Conversation, command: string, name = command): Promise<void> {
  talk.await(`no answer to ${name}`)
  sendLine(talk, `a ${command}`)
  for (let count = 0; count < maxLines; count++) {
    const line = await talk.line()
    if (/^a OK(\s|$)/i.test(line)) return
    // Only untagged lines may come before the tagged one, and a BYE says that none will.
    if (!line.startsWith('* ') || /^\* BYE/i.test(line)) throw misspoken(`${name} is answered with ${shown(line)}`)
  }
  throw misspoken(`the answer to ${name} has no end`)
}

/** RFC 9051 §4.3: a quoted string. */
function quoted(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&')}"`
}
