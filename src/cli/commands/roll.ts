/** `baton roll`: renew the guests of a pool one after the other, each drained before and healthy after, while the others serve. */
import { type Command, InvalidArgumentError } from 'commander'
import { lockCluster } from '../../cluster/converge.ts'
import type { RollEnd } from '../../cluster/roll/machine.ts'
import { type RollRecord, type RollRecords, rollRecords, unfinishedRoll } from '../../cluster/roll/record.ts'
import { type RollEvent, type Rolled, roll } from '../../cluster/roll/roll.ts'
import { startRoll } from '../../cluster/roll/start.ts'
import { openSites } from '../../cluster/site.ts'
import type { ClusterSpec } from '../../cluster/spec/model.ts'
import { describeError, InfraError } from '../../errors.ts'
import { localHost } from '../../hosts/local/local.ts'
import { type Context, runAction } from '../action.ts'
import { askMs } from '../deadline-options.ts'
import { type ExitCode, exitCodes } from '../exit-codes.ts'
import { type LoadedSpec, loadSpec } from '../local/spec-file.ts'
import { errorLines } from '../output.ts'
import { errorJson } from '../progress/show.ts'

type Options = {
  readonly file?: string
  readonly image?: string
  readonly maxUnavailable?: number
  readonly surge: number
  readonly pause?: true
  readonly resume?: true
  readonly abort?: true
  readonly json?: true
}

export function register(program: Command): void {
  program
    .command('roll')
    .description('renew guests of a pool one after the other: drained, replaced, healthy, then the next')
    .argument('[guest...]', 'guests, or pools, of the file')
    .option('--image <name>', 'make them from this image of the file')
    .option('--max-unavailable <number>', 'so many may be without service at a time (default 1; 0 with --surge)', whole)
    .option('--surge <number>', 'make so many others first, for the time of the roll', whole, 0)
    .option('--pause', 'let the roll that runs stop after the guests that it has begun with')
    .option('--resume', 'go on with a roll that was paused, stopped, or killed')
    .option(
      '--abort',
      'end a roll: what was begun is ended, what it made beside the pool goes, the rest stays as it is',
    )
    .option('--file <file>', 'the spec (./baton.yaml when left out)')
    .option('--json', 'print one JSON object for each event')
    .action((guests: readonly string[], options: Options) =>
      runAction(async (context) => {
        const loaded = loadSpec(options.file, context.output)
        return loaded === undefined ? exitCodes.failed : await runRoll(guests, options, loaded, context)
      }),
    )
}

function whole(text: string): number {
  if (!/^\d{1,4}$/.test(text)) throw new InvalidArgumentError('a whole number is wanted')
  return Number(text)
}

/** @throws InfraError `invalid` for words that do not go together, `not-found` when there is no roll to steer. */
async function runRoll(
  guests: readonly string[],
  options: Options,
  loaded: LoadedSpec,
  context: Context,
): Promise<ExitCode | undefined> {
  const { signal, output } = context
  const { spec } = loaded
  const steer = [options.pause && 'pause', options.resume && 'resume', options.abort && 'abort'].filter((word) => word)
  if (steer.length > 1 || (steer.length === 1) === guests.length > 0)
    throw new InfraError('invalid', 'expected guests, or one of --pause, --resume and --abort', {
      subject: spec.name,
      hint: 'baton roll web; baton roll --pause',
    })
  const records = rollRecords(localHost(), spec.name)
  const soon = { signal: AbortSignal.timeout(askMs) }
  if (options.pause === true || options.abort === true) {
    await mustRoll(records, spec)
    await records.setWish(options.pause === true ? 'pause' : 'abort', soon)
  }
  const onWait = (): void => output.note([`baton: another command works on ${spec.name}: waiting for it`])
  await using _lock = await lockCluster(localHost(), spec.name, { signal, onWait })
  const standing = await records.read(soon)
  if (options.pause === true) return sayStanding(standing, spec, context)
  if (options.abort === true && standing === undefined) {
    output.print([`${spec.name}: the roll has come to its end`])
    return undefined
  }
  if (options.resume === true) await mustRoll(records, spec)
  if (steer.length === 0 && standing !== undefined) throw unfinishedRoll(standing)
  const { image, surge, maxUnavailable = surge > 0 ? 0 : 1 } = options
  const request = { guests, limits: { maxUnavailable, surge }, ...(image === undefined ? {} : { image }) }
  const record = standing ?? startRoll(spec, request)
  if (options.abort !== true) await records.setWish('go', soon)
  return await carryOut(record, records, loaded, options, context)
}

async function mustRoll(records: RollRecords, spec: ClusterSpec): Promise<void> {
  if ((await records.read({ signal: AbortSignal.timeout(askMs) })) !== undefined) return
  throw new InfraError('not-found', `no roll of ${spec.name} is under way`, {
    subject: spec.name,
    hint: 'baton roll GUESTS begins one',
  })
}

function sayStanding(record: RollRecord | undefined, spec: ClusterSpec, { output }: Context): undefined {
  output.print([
    record === undefined ? `${spec.name}: the roll has come to its end` : `${unfinishedRoll(record).message}: paused`,
  ])
}

async function carryOut(
  record: RollRecord,
  records: RollRecords,
  { spec, file }: LoadedSpec,
  { json }: Options,
  { signal, output }: Context,
): Promise<ExitCode | undefined> {
  const sites = await openSites(spec, { signal })
  const onEvent = (event: RollEvent): void => {
    if (json === true) output.json(eventJson(event), 'line')
    else output.print([eventLine(event)])
  }
  const done = await roll(spec, sites, records, record, { signal, onEvent })
  sayEnd(done, spec, file, json === true, output)
  return done.end === 'failed' ? exitCodes.failed : undefined
}

function eventLine({ kind, step, text, error }: RollEvent): string {
  const said = {
    started: verbs[step.kind],
    progress: text,
    finished: 'done',
    failed: `failed: ${describeError(error)}`,
  }
  return `  ${step.guest}: ${said[kind]}`
}

const verbs = { renew: 'is renewed', add: 'is made beside the pool', drop: 'is taken away again' } as const

function eventJson({ kind, step, text, error }: RollEvent): object {
  return {
    event: kind,
    step: step.kind,
    guest: step.guest,
    ...(text === undefined ? {} : { text }),
    ...(error === undefined ? {} : { error: errorJson(error) }),
  }
}

const endWords: Readonly<Record<RollEnd, string>> = {
  done: 'renewed',
  paused: 'renewed; paused: baton roll --resume goes on',
  aborted: 'renewed; ended before its time, the others are as they were',
  failed: 'renewed; stopped at a failure: baton roll --resume tries again, baton roll --abort ends it',
}

function sayEnd(
  { end, record, errors }: Rolled,
  spec: ClusterSpec,
  file: string,
  asJson: boolean,
  output: Context['output'],
): void {
  const { pool, image, guests, done } = record
  if (asJson) output.json({ event: 'ended', end, pool, image: image ?? null, guests, done }, 'line')
  else output.print([`${spec.name}: ${done.length} of ${guests.length} guests of ${pool} ${endWords[end]}`])
  output.note(errors.flatMap(errorLines))
  const written = spec.guests[pool]?.image
  if (image !== undefined && image !== written && end !== 'failed')
    output.note([
      `hint: ${file} says image: ${written} for ${pool}: write ${image} there, or the next up takes it back`,
    ])
}
