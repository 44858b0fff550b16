/** Sends mails one after the other: to a relay, or through this machine's sendmail. */
import { hostname, userInfo } from 'node:os'
import { anySignal } from '../../../deadline.ts'
import { describeError } from '../../../errors.ts'
import { turns } from '../../../turns.ts'
import type { Mail } from './alerts.ts'

export type Mailer = AsyncDisposable & { send(mail: Mail): void }

export type MailerOptions = {
  readonly log: (message: string) => void
  /** Where a relay is asked. */
  readonly port?: number
  /** The program; left out, the one of this machine. */
  readonly sendmail?: string
}

/** So many mails may wait; one more is dropped, and the log says so. */
const mostWaiting = 100
/** How long one mail may take, and how long the last ones are waited for. */
const mailMs = 20_000
const endMs = 10_000
const relayPort = 25

export function openMailer({ log, port = relayPort, sendmail = '/usr/sbin/sendmail' }: MailerOptions): Mailer {
  const queue = turns()
  const closing = new AbortController()
  let waiting = 0
  const sendOne = async (mail: Mail): Promise<void> => {
    try {
      await deliver(mail, { port, sendmail }, closing.signal)
    } catch (error) {
      const how = mail.relay === undefined ? 'email message' : 'SMTP email message'
      log(`failed to send ${how}: ${describeError(error)}`)
    }
  }
  return {
    send(mail) {
      if (waiting >= mostWaiting) {
        log(`failed to send email message: ${mostWaiting} wait already: ${mail.subject}`)
        return
      }
      waiting += 1
      void queue.take(() => sendOne(mail)).finally(() => (waiting -= 1))
    },
    async [Symbol.asyncDispose]() {
      const hurry = setTimeout(() => closing.abort(), endMs)
      await queue.idle()
      clearTimeout(hurry)
    },
  }
}

async function deliver(
  { to, from, relay, subject, text }: Mail,
  { port, sendmail }: { readonly port: number; readonly sendmail: string },
  closing: AbortSignal,
): Promise<void> {
  // Loaded for the first mail: most daemons never send one.
  const { createTransport } = await import('nodemailer')
  const times = { connectionTimeout: mailMs, greetingTimeout: mailMs, socketTimeout: mailMs, dnsTimeout: mailMs }
  const transport =
    relay === undefined
      ? createTransport({ sendmail: true, path: sendmail, newline: 'unix' })
      : // As relays talk to each other: encrypted where that is offered, whoever signed the certificate.
        createTransport({ host: relay, port, secure: false, tls: { rejectUnauthorized: false }, ...times })
  const self = `${userInfo().username}@${hostname()}`
  const message = {
    envelope: { from: self, to: [...to] },
    from: from ?? self,
    to: to.join(', '),
    subject,
    text,
    disableFileAccess: true,
    disableUrlAccess: true,
  }
  const late = anySignal(AbortSignal.timeout(mailMs), closing)
  try {
    await Promise.race([transport.sendMail(message), aborted(late)])
  } finally {
    transport.close()
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const onAbort = (): void => reject(new Error(`not sent within ${mailMs / 1000} s`))
    if (signal.aborted) onAbort()
    else signal.addEventListener('abort', onAbort, { once: true })
  })
}
