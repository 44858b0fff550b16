/** What a roll has done so far, on disk: one that was killed goes on from there. And what people want of one that runs. */
import { InfraError } from '../../errors.ts'
import type { Host } from '../../hosts/host.ts'
import type { RollLimits, RollWish } from './machine.ts'

type CallOptions = { readonly signal: AbortSignal }

export type RollRecord = {
  readonly cluster: string
  readonly pool: string
  /** In place of the pool's own in the file; undefined: that. */
  readonly image?: string
  /** Those that are meant. */
  readonly guests: readonly string[]
  readonly limits: RollLimits
  readonly done: readonly string[]
  /** Begun and not seen to end: they are renewed again. */
  readonly underWay: readonly string[]
  /** Made beside the pool, or perhaps: they go in the end. */
  readonly extras: readonly string[]
}

export type RollRecords = {
  read(options: CallOptions): Promise<RollRecord | undefined>
  write(record: RollRecord, options: CallOptions): Promise<void>
  /** With the wish. */
  remove(options: CallOptions): Promise<void>
  /** `go` while nobody has said another. */
  wish(options: CallOptions): Promise<RollWish>
  setWish(wish: RollWish, options: CallOptions): Promise<void>
}

/** One roll of a cluster at a time. Two files, as they have different writers: the roll itself, and who steers it. */
export function rollRecords(host: Host, cluster: string): RollRecords {
  const folder = `${host.directories.state}/rolls`
  const [record, wish] = [`${folder}/${cluster}.json`, `${folder}/${cluster}.wish`]
  const text = async (path: string, options: CallOptions): Promise<string | undefined> => {
    const content = await host.readFile(path, options)
    return content === undefined ? undefined : new TextDecoder().decode(content)
  }
  return {
    async read(options) {
      const content = await text(record, options)
      return content === undefined ? undefined : (JSON.parse(content) as RollRecord)
    },
    write: (next, options) => host.writeFile(record, JSON.stringify(next), options),
    async remove(options) {
      await host.remove(record, options)
      await host.remove(wish, options)
      await host.run(['rmdir', '--ignore-fail-on-non-empty', folder, host.directories.state], options)
    },
    async wish(options) {
      const said = await text(wish, options)
      return said === 'pause' || said === 'abort' ? said : 'go'
    },
    setWish: (said, options) => host.writeFile(wish, said, options),
  }
}

/** What stands in the way of whoever would begin something else. */
export function unfinishedRoll({ cluster, pool, guests, done }: RollRecord): InfraError {
  return new InfraError(
    'busy',
    `a roll of ${pool} has not come to its end: ${done.length} of ${guests.length} guests are renewed`,
    { subject: cluster, hint: 'baton roll --resume goes on with it; baton roll --abort ends it as it is' },
  )
}
