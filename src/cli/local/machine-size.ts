/** Sizes of a machine as options of commands have them. */
import { InvalidArgumentError } from 'commander'
import { parseSize } from '../../cluster/spec/size.ts'

/** Bytes. */
export function readBytes(text: string): number {
  const bytes = parseSize(text)
  if (bytes === undefined || bytes < 1024 ** 2) throw new InvalidArgumentError('a size of at least 1M is wanted')
  return bytes
}

export function readCount(text: string): number {
  const count = Number(text)
  if (!Number.isInteger(count) || count < 1 || count > 255) throw new InvalidArgumentError('1 to 255 is wanted')
  return count
}
