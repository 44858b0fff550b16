/** Checks `smtp` and `submission`: greeting, EHLO, STARTTLS and AUTH on request, QUIT (RFC 5321, 3207, 4954). */
import { hostname } from 'node:os'
import type { Login, Probe, SmtpCheckSpec } from '../check.ts'
import { type Conversation, converse, misspoken } from './conversation.ts'
import { asked, farewell, greeted, readReply, sendLine } from './replies.ts'
import { securing } from './securing.ts'
import { up } from './verdict.ts'

export function smtpProbe(spec: SmtpCheckSpec): Probe {
  const { tls, starttls } = securing(spec)
  const name = spec.helo ?? hostname()
  return (target, { signal, from }) =>
    converse(target, { signal, from, tls }, async (talk) => {
      await greeted(talk, [220])
      let offers = await hello(talk, name)
      if (starttls !== undefined) {
        if (!offers.has('STARTTLS')) throw misspoken('it does not offer STARTTLS')
        await asked(talk, 'STARTTLS', [220])
        talk.await('no TLS handshake')
        await talk.startTls(starttls)
        // RFC 3207 §4.2: what was offered in the clear does not count any more.
        offers = await hello(talk, name)
      }
      if (spec.login !== undefined) await authenticate(talk, spec.login, offers.get('AUTH') ?? [])
      await farewell(talk, 'QUIT')
      return up(spec.login === undefined ? 'EHLO is answered' : 'the login is accepted')
    })
}

/** What the server offers: keyword and parameters. One that knows no EHLO offers nothing. */
async function hello(talk: Conversation, name: string): Promise<ReadonlyMap<string, readonly string[]>> {
  talk.await('no answer to EHLO')
  sendLine(talk, `EHLO ${name}`)
  const { code, lines } = await readReply(talk, 'the answer to EHLO')
  // RFC 5321 §3.2: an old server does not know EHLO, and is greeted with HELO.
  if (code !== 250) await asked(talk, `HELO ${name}`, [250])
  const offers = new Map<string, readonly string[]>()
  if (code !== 250) return offers
  for (const line of lines.slice(1)) {
    const [keyword = '', ...parameters] = line
      .toUpperCase()
      .trim()
      .split(/[\s=]+/)
    offers.set(keyword, [...(offers.get(keyword) ?? []), ...parameters])
  }
  return offers
}

const base64 = (text: string): string => Buffer.from(text).toString('base64')

async function authenticate(talk: Conversation, { user, password }: Login, ways: readonly string[]): Promise<void> {
  if (ways.includes('PLAIN')) {
    await asked(talk, `AUTH PLAIN ${base64(`\0${user}\0${password}`)}`, [235], 'AUTH PLAIN')
    return
  }
  if (!ways.includes('LOGIN')) throw misspoken('it offers neither AUTH PLAIN nor AUTH LOGIN')
  await asked(talk, 'AUTH LOGIN', [334])
  await asked(talk, base64(user), [334], 'the user')
  await asked(talk, base64(password), [235], 'the password')
}
