/** Check `ftp`: greeting, AUTH TLS, login and a file's content on request, QUIT (RFC 959, 2428, 4217). */
import type { Endpoint } from '../../lvs/service.ts'
import type { CheckTls, FtpCheckSpec, Probe, ProbeOptions } from '../check.ts'
import { boundedMatch } from './bounded-match.ts'
import { type Conversation, converse, misspoken } from './conversation.ts'
import { asked, farewell, greeted, readReply } from './replies.ts'
import { securing } from './securing.ts'
import { shown, up } from './verdict.ts'

/** So much of the file is looked at. */
const maxBytes = 64 * 1024
const anonymous = { user: 'anonymous', password: 'baton@localhost' }

export function ftpProbe(spec: FtpCheckSpec): Probe {
  const { tls, starttls } = securing(spec)
  const matches = boundedMatch(spec.body ?? '')
  return (target, { signal, from }) =>
    converse(target, { signal, from, tls }, async (talk) => {
      // 120: wait a moment, the greeting comes (RFC 959 §5.4).
      if ((await greeted(talk, [220, 120])).code === 120) await greeted(talk, [220])
      if (starttls !== undefined) {
        await asked(talk, 'AUTH TLS', [234])
        talk.await('no TLS handshake')
        await talk.startTls(starttls)
      }
      const { path, login = path === undefined ? undefined : anonymous } = spec
      if (login !== undefined) {
        const { code } = await asked(talk, `USER ${login.user}`, [331, 230, 232], 'USER')
        if (code === 331) await asked(talk, `PASS ${login.password}`, [230, 202], 'PASS')
      }
      if (path === undefined) {
        await farewell(talk, 'QUIT')
        return up(login === undefined ? 'it greets' : 'the login is accepted')
      }
      const secure = tls ?? starttls
      const isPrivate = secure !== undefined && (await protects(talk))
      const text = await retrieved(talk, target, { path, signal, from, tls: isPrivate ? secure : undefined })
      const match = matches(text)
      if (match === 'yes') return up(spec.body === undefined ? 'the file is there' : 'the file matches')
      throw misspoken(match === 'no' ? `the file does not match: ${shown(text)}` : 'the pattern takes too long')
    })
}

/** Whether data connections speak TLS, too (RFC 4217 §9). A server may not want to. */
async function protects(talk: Conversation): Promise<boolean> {
  await asked(talk, 'PBSZ 0', [200])
  const { code } = await asked(talk, 'PROT P', [200, 431, 502, 504, 534, 536])
  return code === 200
}

type Retrieval = Pick<ProbeOptions, 'signal' | 'from'> & { readonly path: string; readonly tls: CheckTls | undefined }

/** The control connection has the port. */
function withoutPort(from: ProbeOptions['from']): ProbeOptions['from'] {
  if (from?.port === undefined) return from
  const { port: _, ...rest } = from
  return rest
}

/** The beginning of a file. The data connection always goes to the server itself, whatever address it names. */
async function retrieved(
  talk: Conversation,
  target: Endpoint,
  { path, signal, from, tls }: Retrieval,
): Promise<string> {
  await asked(talk, 'TYPE I', [200])
  const port = await passivePort(talk)
  const pieces: Buffer[] = []
  let bytes = 0
  let isRead = false
  let refusal: unknown
  const data = await converse({ address: target.address, port }, { signal, from: withoutPort(from) }, async (file) => {
    try {
      await asked(talk, `RETR ${path}`, [150, 125])
    } catch (error) {
      refusal = error
      throw error
    }
    talk.await('no file')
    file.await('no file')
    // Servers want it to be the same client's: that it resumes the control connection's session shows it.
    if (tls !== undefined) await file.startTls(tls, talk.session())
    while (bytes < maxBytes) {
      const piece = await file.some()
      if (piece === undefined) {
        isRead = true
        break
      }
      pieces.push(piece)
      bytes += piece.length
    }
    return up('')
  })
  if (refusal !== undefined) throw refusal
  if (!data.healthy) throw misspoken(`data connection: ${data.detail}`)
  // A file that was not read to its end is broken off: how the server takes that is of no interest.
  if (isRead) {
    talk.await('no end of the file')
    const { code, lines } = await readReply(talk, 'the end of the file')
    if (code !== 226 && code !== 250) throw misspoken(`the file ends with ${shown(`${code} ${lines[0] ?? ''}`)}`)
    await farewell(talk, 'QUIT')
  }
  return Buffer.concat(pieces).toString('latin1', 0, maxBytes)
}

/** EPSV, or PASV for a server that does not know it. */
async function passivePort(talk: Conversation): Promise<number> {
  const { code, lines } = await asked(talk, 'EPSV', [229, 500, 501, 502, 504, 522])
  if (code === 229) return portOf(/\((.)\1\1(\d{1,5})\1\)/.exec(lines[0] ?? '')?.[2], lines[0])
  const [answer = ''] = (await asked(talk, 'PASV', [227])).lines
  const [, high, low] = /(?:\d{1,3},){4}(\d{1,3}),(\d{1,3})/.exec(answer) ?? []
  return portOf(high === undefined ? undefined : Number(high) * 256 + Number(low), answer)
}

function portOf(said: string | number | undefined, answer = ''): number {
  const port = Number(said)
  if (Number.isInteger(port) && port > 0 && port < 65_536) return port
  throw misspoken(`it names no port: ${shown(answer)}`)
}
