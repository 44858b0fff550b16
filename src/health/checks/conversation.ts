/** A conversation with a server over TCP or TLS, in lines or bytes: bounded, ended at the deadline, closed at its end. */
import type { Socket } from 'node:net'
import { connect as connectTls, TLSSocket } from 'node:tls'
import { type Endpoint, formatEndpoint } from '../../lvs/service.ts'
import type { CheckTls, ProbeOptions, ProbeResult } from '../check.ts'
import { connectFrom, connectTlsFrom } from './outgoing.ts'
import { down, failed, probing, tlsOptions, type Verdict } from './verdict.ts'

/** More than this is never kept of what a server sends ahead. */
const maxBufferedBytes = 64 * 1024
const maxLineBytes = 8 * 1024

export interface Conversation {
  send(data: string | Uint8Array): void
  /** Closes our side: nothing more is sent. */
  finish(): void
  /** The next line, without its end (LF or CRLF); the rest at the server's end. @throws when there is none. */
  line(): Promise<string>
  /** Exactly so many bytes, at most 64 KiB. @throws when the server ends before. */
  bytes(count: number): Promise<Buffer>
  /** What has come and was not read, one byte at least; undefined when the server has ended. */
  some(): Promise<Buffer | undefined>
  /** Goes on with TLS. @throws when the server said more before, which would be taken for something said inside. */
  startTls(tls: CheckTls, resume?: Buffer): Promise<void>
  /** The session of TLS, to be resumed by another connection to the same server; undefined in the clear. */
  session(): Buffer | undefined
  /** What the server is to do next, for the detail when it does not: `no greeting`, `no answer to EHLO`. */
  await(what: string): void
}

/** A server that said something else than it should. */
class Misspoken extends Error {}

/** For `talk`: ends the conversation as failed. The text is the detail, after the server's address. */
export function misspoken(what: string): Error {
  return new Misspoken(what)
}

/** Connects, lets `talk` say what the server is worth, and closes. What `talk` throws is a failed check. */
export function converse(
  target: Endpoint,
  { signal, tls, from }: Pick<ProbeOptions, 'signal' | 'from'> & { readonly tls?: CheckTls | undefined },
  talk: (conversation: Conversation) => Promise<Verdict>,
): Promise<ProbeResult> {
  const where = formatEndpoint(target)
  let awaited = 'no connection'
  return probing(
    signal,
    () => down(`${where}: ${awaited} in time`),
    (end) => {
      const fail = (error: unknown): void => end(failed(where, error))
      const socket =
        tls === undefined ? connectFrom(target, from) : connectTlsFrom(target, from, tlsOptions(tls, undefined))
      const line = openLine(socket, target, (what) => {
        awaited = what
      })
      // Before the connection stands; afterwards `talk` hears of errors where it waits.
      socket.once('error', fail)
      socket.once(tls === undefined ? 'connect' : 'secureConnect', () => {
        socket.off('error', fail)
        awaited = 'no answer'
        talk(line.conversation).then(end, fail)
      })
      return line.close
    },
  )
}

type Line = { readonly conversation: Conversation; readonly close: () => void }

function openLine(first: Socket, target: Endpoint, say: (what: string) => void): Line {
  let socket = first
  let kept: Buffer = Buffer.alloc(0)
  let hasEnded = false
  let failure: Error | undefined
  let wake: (() => void) | undefined
  const news = (): void => {
    wake?.()
    wake = undefined
  }
  const onData = (chunk: Buffer): void => {
    kept = kept.length === 0 ? chunk : Buffer.concat([kept, chunk])
    if (kept.length > maxBufferedBytes) socket.pause()
    news()
  }
  const onEnd = (): void => {
    hasEnded = true
    news()
  }
  const onError = (error: Error): void => {
    failure ??= error
    news()
  }
  const listen = (): void => {
    socket.on('data', onData).on('end', onEnd).on('close', onEnd).on('error', onError)
  }
  listen()
  /** Waits for more than is kept; false at the server's end. */
  const more = async (): Promise<boolean> => {
    const had = kept.length
    socket.resume()
    if (!hasEnded && failure === undefined)
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    if (kept.length > had) return true
    if (failure !== undefined) throw failure
    return false
  }
  const take = (count: number, skip = 0): Buffer => {
    const taken = kept.subarray(0, count)
    kept = kept.subarray(count + skip)
    return taken
  }
  const conversation: Conversation = {
    send: (data) => void socket.write(data),
    finish: () => void socket.end(),
    await: say,
    async line() {
      for (;;) {
        const at = kept.indexOf(10)
        if (at >= 0 && at <= maxLineBytes) return take(at, 1).toString('latin1').replace(/\r$/, '')
        if (kept.length > maxLineBytes) throw misspoken('it sends a line without end')
        if (await more()) continue
        if (kept.length === 0) throw misspoken('it closed the connection')
        return take(kept.length).toString('latin1').replace(/\r$/, '')
      }
    },
    async bytes(count) {
      if (count > maxBufferedBytes) throw misspoken('it announces too much')
      while (kept.length < count) if (!(await more())) throw misspoken('it closed the connection')
      return take(count)
    },
    async some() {
      return kept.length > 0 || (await more()) ? take(kept.length) : undefined
    },
    session: () => (socket instanceof TLSSocket ? socket.getSession() : undefined),
    async startTls(tls, resume) {
      if (kept.length > 0) throw misspoken('it spoke on before TLS began')
      const plain = socket.off('data', onData).off('end', onEnd).off('close', onEnd)
      const secure = connectTls({
        socket: plain,
        host: target.address,
        ...tlsOptions(tls, undefined),
        ...(resume === undefined ? {} : { session: resume }),
      })
      socket = secure
      await new Promise<void>((resolve, reject) => {
        secure.once('secureConnect', resolve).once('error', reject)
        secure.once('close', () => reject(misspoken('it closed the connection')))
      })
      listen()
    },
  }
  return {
    conversation,
    close() {
      hasEnded = true
      failure ??= misspoken('the check is over')
      // Errors of a connection that is being destroyed are nobody's business any more.
      socket.on('error', () => {}).destroy()
      first.on('error', () => {}).destroy()
      news()
    },
  }
}
