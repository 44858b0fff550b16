/** Replies that begin with three digits, as SMTP, FTP and NNTP give them, and commands of one line. */
import { type Conversation, misspoken } from './conversation.ts'
import { shown } from './verdict.ts'

/** RFC 5321 §4.2, RFC 959 §4.2: `250-` goes on, `250 ` ends. */
export type Reply = { readonly code: number; readonly lines: readonly string[] }

/** No server has that much to say; one that goes on is stopped here rather than at the deadline. */
const maxLines = 256

/** @throws Error when what comes is no such reply. `what` names what is awaited: `the greeting`. */
export async function readReply(talk: Conversation, what: string): Promise<Reply> {
  const lines: string[] = []
  let code: string | undefined
  while (lines.length < maxLines) {
    const line = await talk.line()
    const [, digits, mark] = /^(\d{3})([ -]|$)/.exec(line) ?? []
    if (digits === undefined && code === undefined) throw misspoken(`${what} is no reply: ${shown(line)}`)
    // RFC 959 §4.2: lines between may be any text; only the first code with a blank ends them.
    code ??= digits
    lines.push(digits === undefined ? line : line.slice(4))
    if (digits === code && mark !== '-') return { code: Number(code), lines }
  }
  throw misspoken(`${what} has no end`)
}

/** Sends one line. @throws Error for text that would become more than one. */
export function sendLine(talk: Conversation, text: string): void {
  if (/[\r\n\0]/.test(text)) throw misspoken('a line break cannot be sent in a command')
  talk.send(`${text}\r\n`)
}

/** The greeting. @throws Error when it is not one of these codes. */
export async function greeted(talk: Conversation, wanted: readonly number[]): Promise<Reply> {
  talk.await('no greeting')
  return expected(await readReply(talk, 'the greeting'), wanted, 'the greeting is')
}

/** Sends a command and reads its reply. `name` stands for it in details: commands may carry secrets. */
export async function asked(
  talk: Conversation,
  command: string,
  wanted: readonly number[],
  name: string = command,
): Promise<Reply> {
  talk.await(`no answer to ${name}`)
  sendLine(talk, command)
  return expected(await readReply(talk, `the answer to ${name}`), wanted, `${name} is answered with`)
}

function expected(reply: Reply, wanted: readonly number[], what: string): Reply {
  if (wanted.includes(reply.code)) return reply
  throw misspoken(`${what} ${shown(`${reply.code} ${reply.lines[0] ?? ''}`)}`)
}

/** Takes leave, so that the server logs no broken connection; how it answers changes nothing, but it must. */
export async function farewell(talk: Conversation, command: string): Promise<void> {
  talk.await(`no answer to ${command}`)
  sendLine(talk, command)
  await talk.some()
}
