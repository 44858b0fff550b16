/** ipvsadm-save and ipvsadm-restore: the scripts that come with ipvsadm. */
import { codes, type Front } from './front.ts'
import { runIpvsadm } from './run.ts'

/** The exit code of `ipvsadm-save [-n]`. Words that are no options do not matter. */
export async function runSave(words: readonly string[], front: Front): Promise<number> {
  if (words.some((word) => word.startsWith('-') && word !== '-n')) {
    front.err('ipvsadm-save: Script to save the IPVS table to stdout.\n')
    front.err('   With the -n option, prints out the table in numeric format.\n')
    return codes.noRead
  }
  return runIpvsadm(words.includes('-n') ? ['-S', '-n'] : ['-S'], front)
}

/** The exit code of `ipvsadm-restore`: the table is cleared first, and lines that begin with `#` do not count. */
export async function runRestore(front: Front): Promise<number> {
  const text = (await readAll(front.input))
    .split('\n')
    .filter((line) => !line.startsWith('#'))
    .join('\n')
  await runIpvsadm(['-C'], front)
  return runIpvsadm(['-R'], { ...front, input: once(new TextEncoder().encode(text)) })
}

async function readAll(input: AsyncIterable<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  for await (const chunk of input) text += decoder.decode(chunk, { stream: true })
  return text + decoder.decode()
}

async function* once(chunk: Uint8Array): AsyncGenerator<Uint8Array> {
  yield chunk
}
