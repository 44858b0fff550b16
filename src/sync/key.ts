/** The key that the directors of one service share. */
import { open } from 'node:fs/promises'
import { describeError, InfraError } from '../errors.ts'

const leastBytes = 16
const mostBytes = 4096
const othersMayRead = 0o004

/** The file's content without white space around it. @throws InfraError `not-found`, `permission`, `invalid` */
export async function readKey(path: string): Promise<Uint8Array> {
  const file = await open(path).catch((error: unknown) => {
    const isThere = !(error instanceof Error && 'code' in error && error.code === 'ENOENT')
    throw new InfraError(isThere ? 'permission' : 'not-found', `read the key ${path}: ${describeError(error)}`, {
      subject: path,
      hint: `make one that all directors get: (umask 077; openssl rand -base64 32 > ${path})`,
    })
  })
  await using _closed = { [Symbol.asyncDispose]: () => file.close() }
  const { mode, size } = await file.stat()
  if ((mode & othersMayRead) !== 0)
    throw new InfraError('permission', `${path} holds a key, and everybody may read it`, {
      subject: path,
      hint: `chmod 600 ${path}`,
    })
  const key = size > mostBytes ? '' : (await file.readFile('latin1')).trim()
  if (key.length < leastBytes)
    throw new InfraError('invalid', `${path}: a key has ${leastBytes} to ${mostBytes} bytes`, {
      subject: path,
      hint: `make one that all directors get: (umask 077; openssl rand -base64 32 > ${path})`,
    })
  return Buffer.from(key, 'latin1')
}
