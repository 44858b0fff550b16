/** The words of xen-list-images. Pure. */
import { readWords } from '../words.ts'

export type ListCall = {
  readonly kind: 'list' | 'help' | 'manual' | 'version'
  /** Where the configurations are; undefined: as the tool's own file says, or /etc/xen. */
  readonly directory?: string
  /** '' is any file. */
  readonly extension?: string
  /** What the original says on standard error, and goes on. */
  readonly complaints: readonly string[]
}

const options = { test: 'value', extension: 'optional', help: 'flag', manual: 'flag', version: 'flag' } as const

export function readListCall(words: readonly string[]): ListCall {
  const { given, complaints } = readWords(words, options)
  const directory = given.get('test')?.[0]
  const extension = given.get('extension')?.[0]
  return {
    kind: (['help', 'manual', 'version'] as const).find((option) => given.has(option)) ?? 'list',
    ...(directory === undefined ? {} : { directory }),
    ...(extension === undefined ? {} : { extension }),
    complaints,
  }
}
