/** Processes of this machine, told by their program and words: whether so many run as are to run (keepalived's track_process). */
import { readdir, readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import type { TrackedState } from './machine/tracking.ts'
import { type TrackSpec, trackName } from './spec.ts'

type ProcessSpec = TrackSpec & { readonly kind: 'process' }

/** `name`: as the kernel keeps it, 15 characters of it. */
export type RunningProcess = { readonly name: string; readonly argv: readonly string[] }

const kernelNameLength = 15

export function isMeant({ program, parameters, isFullCommand }: ProcessSpec, { name, argv }: RunningProcess): boolean {
  const [first = '', ...words] = argv
  if (isFullCommand === true) {
    if (first !== program) return false
  } else if (name !== program.slice(0, kernelNameLength) && basename(first) !== program) return false
  if (parameters === undefined) return true
  const { words: wanted, match } = parameters
  if (match === 'exact' && words.length !== wanted.length) return false
  return wanted.every((word, at) =>
    match === 'partial' && at === wanted.length - 1 ? words[at]?.startsWith(word) === true : words[at] === word,
  )
}

async function runningProcesses(): Promise<readonly RunningProcess[]> {
  const ids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  // One that ends meanwhile is none.
  const read = (path: string): Promise<string> => readFile(path, 'utf8').catch(() => '')
  const found = await Promise.all(
    ids.map(async (id): Promise<RunningProcess> => {
      const [name, line] = await Promise.all([read(`/proc/${id}/comm`), read(`/proc/${id}/cmdline`)])
      return { name: name.trimEnd(), argv: line.split('\0').slice(0, -1) }
    }),
  )
  return found.filter(({ name }) => name !== '')
}

const everyMs = 1000

/** Until it is disposed of. `onState`: at first, and when it has been so for as long as the spec's delay. */
export function watchProcesses(spec: ProcessSpec, onState: (name: string, state: TrackedState) => void): Disposable {
  const { least, most = Number.POSITIVE_INFINITY, forkDelayMs, terminateDelayMs } = spec
  let told: TrackedState = 'unknown'
  let seen: { readonly state: TrackedState; readonly sinceMs: number } | undefined
  let timer: NodeJS.Timeout | undefined
  let isOver = false
  const look = async (): Promise<void> => {
    const count = (await runningProcesses()).filter((one) => isMeant(spec, one)).length
    if (isOver) return
    const state: TrackedState = count >= least && count <= most ? 'well' : 'ill'
    if (seen?.state !== state) seen = { state, sinceMs: performance.now() }
    const delayMs = told === 'unknown' ? 0 : state === 'well' ? forkDelayMs : terminateDelayMs
    if (state !== told && performance.now() - seen.sinceMs >= delayMs) {
      told = state
      onState(trackName(spec), state)
    }
    timer = setTimeout(() => void look(), everyMs)
  }
  void look()
  return {
    [Symbol.dispose]: () => {
      isOver = true
      clearTimeout(timer)
    },
  }
}
