/** Reads what a TLS client says first, without answering: enough to know the name that it asks for. */
import type { Socket } from 'node:net'
import { type ClientHello, maximalHelloBytes, readClientHello } from '../../wire/tls-client-hello.ts'

export type HeardHello = {
  readonly hello: Exclude<ClientHello, { kind: 'more' }>
  /** All that has come so far. */
  readonly bytes: Uint8Array
}

/** Whatever comes in records beside the message itself. */
const slackBytes = 1024

/** Undefined when the client leaves or takes too long. Leaves the socket paused. */
export function hearHello(socket: Socket, timeoutMs: number): Promise<HeardHello | undefined> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    let held = 0
    let wanted = 1
    const settle = (heard: HeardHello | undefined): void => {
      clearTimeout(timer)
      socket.off('data', onData).off('end', onGone).off('close', onGone).off('error', onGone)
      socket.pause()
      resolve(heard)
    }
    const onGone = (): void => settle(undefined)
    const onData = (chunk: Buffer): void => {
      chunks.push(chunk)
      held += chunk.length
      // Read only when it can say more than last time: a client that drips costs no more than others.
      if (held < wanted) return
      const bytes = chunks.length === 1 ? chunk : Buffer.concat(chunks)
      chunks.splice(0, chunks.length, bytes)
      const hello = readClientHello(bytes)
      if (hello.kind !== 'more') return settle({ hello, bytes })
      wanted = hello.bytes
      if (held > maximalHelloBytes + slackBytes) settle({ hello: { kind: 'invalid', reason: 'too long' }, bytes })
    }
    const timer = setTimeout(onGone, timeoutMs)
    socket.on('data', onData).once('end', onGone).once('close', onGone).on('error', onGone)
    socket.resume()
  })
}
