/** An answer that is read while it is made, however long it gets: nothing of it is held here. */
import type { Duplex } from 'node:stream'
import { InfraError, isInfraError } from '../errors.ts'
import { type Exchange, lostError, openExchange } from './exchange.ts'

export type Connect = (signal: AbortSignal) => Promise<Duplex>

/**
 * @throws InfraError as the director says it; `unreachable` when it goes in the middle, or says nothing for `silentMs`
 * while it is waited for. Who takes the text slowly is no reason.
 */
export async function* remoteText(connect: Connect, call: Exchange, silentMs: number): AsyncGenerator<string> {
  let stream: Duplex | undefined
  let isSilent = false
  const heard = async <T>(wait: Promise<T>): Promise<T> => {
    const silence = setTimeout(() => {
      isSilent = true
      stream?.destroy()
    }, silentMs)
    return await wait.finally(() => clearTimeout(silence))
  }
  try {
    stream = await connect(call.signal)
    const response = (await heard(openExchange(stream, call))).setEncoding('utf8')
    const texts = response[Symbol.asyncIterator]() as AsyncIterator<string>
    for (let next = await heard(texts.next()); next.done !== true; next = await heard(texts.next())) yield next.value
  } catch (error) {
    if (isSilent && !call.signal.aborted) throw silent(silentMs)
    throw isInfraError(error) ? error : lostError(call, error)
  } finally {
    stream?.destroy()
  }
}

function silent(silentMs: number): InfraError {
  return new InfraError('unreachable', `the director has given no sign of life for ${silentMs / 1000} s`, {
    subject: 'director',
    retryable: true,
  })
}
