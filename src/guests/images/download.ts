/** Images from the network: fetched into a file that a broken download leaves to be gone on with, and believed only by its checksum. */
import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { readdir, rm, stat } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { InfraError, isInfraError } from '../../errors.ts'
import type { Host } from '../../hosts/host.ts'
import { asInfraError, systemCode } from '../../hosts/local/failures.ts'
import { type Checksum, formatChecksum } from './checksum.ts'
import { asUnreachable, openBody } from './fetch.ts'

export type DownloadOptions = {
  readonly signal: AbortSignal
  readonly progress: (text: string) => void
  /** Between tries that brought nothing, the first of them; then twice as long each. */
  readonly restMs?: number
}

/** So many tries in a row may bring nothing. */
const maxTries = 5
/** What nobody went on with for so long is taken away by the next download. */
const keptDays = 7

export type Downloaded = AsyncDisposable & { readonly path: string }

/**
 * A file of this machine with the content; it goes with its holder, unless he has moved it. A cut or an end in the middle leaves
 * `.part`, from which the next call goes on; a wrong checksum leaves nothing. @throws InfraError `invalid` for a wrong checksum.
 */
export async function download(
  here: Host,
  url: string,
  checksum: Checksum,
  options: DownloadOptions,
): Promise<Downloaded> {
  const { signal, progress } = options
  const directory = `${here.directories.cache}/downloads`
  const part = `${directory}/${checksum.hex}.part`
  await here.makeDirectory(directory, { signal })
  const lock = await here.lock(`${part}.lock`, { signal })
  const release = async (): Promise<void> => {
    await rm(`${part}.lock`, { force: true })
    await lock[Symbol.asyncDispose]()
  }
  try {
    await sweep(directory)
    const wasBegun = (await sizeOf(part)) > 0
    await fetchWhole(url, part, options)
    progress('comparing its checksum')
    if ((await hashOf(part, checksum, signal)) !== checksum.hex) {
      await rm(part, { force: true })
      // The part may have been another edition's: whole files are believed or not, mixed ones never.
      if (!wasBegun) throw mismatch(url, checksum)
      progress('what was there did not fit: beginning anew')
      await fetchWhole(url, part, options)
      if ((await hashOf(part, checksum, signal)) !== checksum.hex) {
        await rm(part, { force: true })
        throw mismatch(url, checksum)
      }
    }
  } catch (error) {
    await release()
    throw error
  }
  return {
    path: part,
    async [Symbol.asyncDispose]() {
      await rm(part, { force: true })
      await release()
    },
  }
}

/** Tries again from where it broke off, as long as something comes. */
async function fetchWhole(url: string, part: string, options: DownloadOptions): Promise<void> {
  const { signal, restMs = 1_000 } = options
  for (let failures = 0; ; ) {
    const before = await sizeOf(part)
    try {
      return await fetchOn(url, part, before, options)
    } catch (error) {
      failures = (await sizeOf(part)) > before ? 1 : failures + 1
      if (!isInfraError(error) || !error.retryable || failures >= maxTries || signal.aborted)
        throw withHint(error, await sizeOf(part))
      options.progress(`${error.message}: trying again`)
      await sleep(restMs * 2 ** (failures - 1), undefined, { signal }).catch(() => {})
    }
  }
}

async function fetchOn(url: string, part: string, offset: number, options: DownloadOptions): Promise<void> {
  const { signal, progress } = options
  const body = await openBody(url, offset, signal)
  if (body === undefined) return
  const { stream, start, sizeBytes } = body
  if (start > offset) {
    stream.destroy()
    throw new InfraError('failed', `fetch ${url}: the server begins at another byte than it was asked for`, {
      subject: url,
    })
  }
  let done = start
  const counted = async function* (source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const piece of source) {
      done += piece.length
      progress(howFar(done, sizeBytes))
      yield piece
    }
  }
  const flags = start === 0 ? 'w' : 'r+'
  try {
    await pipeline(stream, counted, createWriteStream(part, { flags, start, mode: 0o600 }), { signal })
  } catch (error) {
    throw systemCode(error) === 'ENOSPC' ? asInfraError(error, `fetch ${url}`, url) : asUnreachable(error, url, signal)
  }
  if (sizeBytes !== undefined && done < sizeBytes)
    throw new InfraError('unreachable', `fetch ${url}: it broke off`, { subject: url, retryable: true })
}

const mebibyte = 1024 ** 2
const stepBytes = 16 * mebibyte

function howFar(done: number, sizeBytes: number | undefined): string {
  const mib = (bytes: number): string => `${Math.floor(bytes / mebibyte)}`
  // In steps, so that it is not told for each packet.
  if (sizeBytes === undefined) return `fetching it: ${Math.floor(done / stepBytes) * 16} MiB`
  return `fetching it: ${sizeBytes === 0 ? 100 : Math.floor((100 * done) / sizeBytes)}% of ${mib(sizeBytes)} MiB`
}

function withHint(error: unknown, bytes: number): unknown {
  if (!isInfraError(error) || bytes === 0 || error.hint !== undefined) return error
  const { code, message, subject, retryable } = error
  const hint = `run it again: it goes on behind the ${Math.floor(bytes / mebibyte)} MiB that are there`
  return new InfraError(code, message, { subject, retryable, hint, cause: error })
}

function mismatch(url: string, checksum: Checksum): InfraError {
  return new InfraError('invalid', `${url} is not what it should be: its checksum is not ${formatChecksum(checksum)}`, {
    subject: url,
    hint: 'nothing of it is kept; compare the checksum with what its publisher says, there may be a newer edition',
  })
}

export async function hashOf(path: string, { algorithm }: Checksum, signal: AbortSignal): Promise<string> {
  const hash = createHash(algorithm)
  try {
    await pipeline(createReadStream(path, { highWaterMark: mebibyte }), hash, { signal })
  } catch (error) {
    throw asInfraError(error, `read ${path}`, path, signal)
  }
  return hash.digest('hex')
}

/** 0 where there is no such file. */
async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(() => undefined))?.size ?? 0
}

async function sweep(directory: string): Promise<void> {
  const oldest = Date.now() - keptDays * 24 * 3_600_000
  for (const name of await readdir(directory)) {
    const found = name.endsWith('.part') ? await stat(`${directory}/${name}`).catch(() => undefined) : undefined
    if (found !== undefined && found.mtimeMs < oldest) await rm(`${directory}/${name}`, { force: true })
  }
}
