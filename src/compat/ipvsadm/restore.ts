/** `ipvsadm -R`: lines of standard input, each a command line of its own; edits go to the director many at once. */
import type { Command } from '../../formats/ipvsadm/command.ts'
import { lineWords } from '../../formats/ipvsadm-rules.ts'
import { runCommand, sayResult } from './commands.ts'
import { codes, complain, type Front, parseWords } from './front.ts'

type EditCommand = Extract<Command, { readonly kind: 'edit' }>

/** So many edits are one call: what is said about them is said after it. */
const editsAtOnce = 8_192

/** How long to wait for more lines before those at hand are carried out. */
const quietMs = 2

/**
 * The exit code: that of the last line carried out. A line that ipvsadm's own checks refuse ends the restore, and so does
 * one that prints help; one that has an unknown option, or that the table refuses, does not.
 */
export async function restoreLines(input: AsyncIterable<Uint8Array>, front: Front): Promise<number> {
  let code: number = codes.ok
  for await (const lines of lineBatches(input)) {
    const ended = await runLines(lines, code, front)
    code = ended.code
    if (ended.isOver) break
  }
  return code
}

type Ended = { readonly code: number; readonly isOver: boolean }

async function runLines(lines: readonly string[], before: number, front: Front): Promise<Ended> {
  let code = before
  let waiting: EditCommand[] = []
  const finish = async (): Promise<void> => {
    if (waiting.length === 0) return
    const commands = waiting
    waiting = []
    const results = await front.director.edit(
      commands.map(({ edit }) => edit),
      { signal: front.signal },
    )
    for (const [index, { name }] of commands.entries()) {
      const result = results[index]
      code = result === undefined ? codes.failed : sayResult(name, result, front)
    }
  }
  for (const line of lines) {
    const words = lineWords(line)
    if (words.length === 0) continue
    const parsed = await parseWords(words, front)
    if (parsed.ok && parsed.command.kind === 'edit') {
      waiting.push(parsed.command)
      if (waiting.length >= editsAtOnce) await finish()
      continue
    }
    await finish()
    if (!parsed.ok) {
      code = complain(parsed.refusal, front)
      if (parsed.refusal.kind !== 'option') return { code, isOver: true }
    } else if (parsed.command.kind === 'restore') {
      return { code: complain({ kind: 'usage' }, front), isOver: true }
    } else {
      code = await runCommand(parsed.command, front)
      if (endsProcess(parsed.command, code)) return { code, isOver: true }
    }
  }
  await finish()
  return { code, isOver: false }
}

/** ipvsadm leaves by exit(3) there. */
function endsProcess({ kind }: Command, code: number): boolean {
  return kind === 'help' || kind === 'version' || (kind === 'list-service' && code !== codes.ok)
}

/** Whole lines, as many as come without a pause; the last one needs no end. */
async function* lineBatches(input: AsyncIterable<Uint8Array>): AsyncGenerator<readonly string[]> {
  const decoder = new TextDecoder()
  const chunks = input[Symbol.asyncIterator]()
  let rest = ''
  let lines: string[] = []
  let next = chunks.next()
  for (;;) {
    const chunk = lines.length === 0 ? await next : await withinQuiet(next)
    if (chunk === undefined) {
      yield lines
      lines = []
      continue
    }
    if (chunk.done === true) break
    next = chunks.next()
    const parts = `${rest}${decoder.decode(chunk.value, { stream: true })}`.split('\n')
    rest = parts.pop() ?? ''
    for (const part of parts) lines.push(part)
    if (lines.length < editsAtOnce) continue
    yield lines
    lines = []
  }
  yield [...lines, rest]
}

/** Undefined when it takes longer. */
async function withinQuiet<T>(promise: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined
  const quiet = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, quietMs, undefined)
  })
  try {
    return await Promise.race([promise, quiet])
  } finally {
    clearTimeout(timer)
  }
}
