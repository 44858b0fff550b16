/** A trace as it is read back, line by line; what is wrong is said of every line that is. */
import * as z from 'zod'
import type { TraceLine } from './trace.ts'
import { traceVersion } from './trace.ts'

const ms = z.number()
const kind = z.enum(['unknown', 'healthy', 'unhealthy', 'maintenance'])
const count = z.int().min(0)

const config = z.strictObject({
  rise: z.int().min(1),
  fall: z.int().min(1),
  connects: count.exactOptional(),
  damping: z.strictObject({ changes: z.int().min(1), withinMs: ms, holdMs: ms }).exactOptional(),
})

const state = z.strictObject({
  kind,
  sinceMs: ms,
  results: count,
  against: count,
  connectsLeft: count,
  isReturning: z.boolean(),
  wellSinceMs: ms.exactOptional(),
  changedMs: z.array(ms),
  heldFor: count,
  isAssumed: z.literal(true).exactOptional(),
})

const event = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.enum(['succeeded', 'failed']),
    check: z.enum(['probe', 'connect']),
    atMs: ms,
    detail: z.string(),
  }),
  z.strictObject({ kind: z.enum(['maintenance-began', 'maintenance-ended']), atMs: ms }),
])

const n = z.int().min(1)

const line: z.ZodType<TraceLine> = z.union([
  z.strictObject({ n, event }),
  z.strictObject({ n, key: z.string().min(1), began: z.boolean(), config, state }),
  z.strictObject({ n, ended: z.literal(true) }),
  z.strictObject({ lost: z.int().min(1) }),
  z.strictObject({ trace: z.literal(traceVersion), at: z.iso.datetime(), atMs: ms }),
])

export type TraceProblem = { readonly line: number; readonly message: string }

/** With the number of each line, from 1. */
export type NumberedLine = { readonly line: number; readonly value: TraceLine }

export type ParsedTrace = { readonly lines: readonly NumberedLine[]; readonly problems: readonly TraceProblem[] }

/** A last line without its end is what a crash has left, and is passed over. */
export function parseTrace(text: string): ParsedTrace {
  const lines: NumberedLine[] = []
  const problems: TraceProblem[] = []
  const known = new Set<number>()
  for (const [index, source] of text.split('\n').slice(0, -1).entries()) {
    const parsed = parseLine(source, known, index === 0)
    if (typeof parsed === 'string') problems.push({ line: index + 1, message: parsed })
    else lines.push({ line: index + 1, value: parsed })
  }
  if (text.indexOf('\n') < 0) problems.push({ line: 1, message: 'no line of a trace' })
  return { lines, problems }
}

/** The line, or what is wrong with it. */
function parseLine(source: string, known: Set<number>, isFirst: boolean): TraceLine | string {
  let json: unknown
  try {
    json = JSON.parse(source)
  } catch {
    return 'this is no JSON'
  }
  const parsed = line.safeParse(json)
  if (!parsed.success) return 'this is no line of a trace'
  const value = parsed.data
  if (isFirst !== 'trace' in value)
    return isFirst ? `a trace begins with {"trace":${traceVersion}, …}` : 'a second beginning of a trace'
  if (!('n' in value)) return value
  if ('key' in value) known.add(value.n)
  else if (!known.has(value.n)) return `no line before says which server ${value.n} is`
  return value
}
