/** Golden transcripts: what a real program was told, and what it answered. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

export type Answer = { readonly out: readonly string[]; readonly err: readonly string[]; readonly code: number }
export type Exchange = { readonly command: string; readonly answer: Answer }

const folder = join(import.meta.dirname, 'ipvsadm')

export const transcriptNames = [
  'syntax', 'arguments', 'servers', 'forms', 'restore', 'daemons', 'long-names', 'order', 'random',
] as const // biome-ignore format: a list to read at a glance
export type TranscriptName = (typeof transcriptNames)[number]

export const hostsFile = join(folder, 'hosts')
export const servicesFile = join(folder, 'services')

export function readTranscript(name: TranscriptName): Exchange[] {
  const exchanges: Exchange[] = []
  let command: string | undefined
  let [out, err]: [string[], string[]] = [[], []]
  for (const line of readFileSync(join(folder, `${name}.txt`), 'utf8').split('\n')) {
    if (line.startsWith('$ ')) command = line.slice(2)
    else if (line.startsWith('OUT| ')) out.push(line.slice(5))
    else if (line.startsWith('ERR| ')) err.push(line.slice(5))
    else if (line.startsWith('RC ') && command !== undefined) {
      exchanges.push({ command, answer: { out: trimmed(out), err: trimmed(err), code: Number(line.slice(3)) } })
      ;[out, err] = [[], []]
    } else if (line !== '') throw new Error(`${name}: what is this: ${line}`)
  }
  return exchanges
}

export function answerOf(out: string, err: string, code: number): Answer {
  return { out: trimmed(out.split('\n')), err: trimmed(err.split('\n')), code }
}

/** Without the empty lines at the end, which the recorder cut off. */
function trimmed(lines: readonly string[]): string[] {
  const last = lines.findLastIndex((line) => line !== '')
  return lines.slice(0, last + 1)
}
