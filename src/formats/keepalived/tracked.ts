/** What is tracked beside scripts and interfaces: files that hold a number, and processes. Pure. */
import type { Routers, TrackFile, TrackProcess } from './instance-model.ts'
import { readInteger } from './keyword.ts'
import { allOf, type Entry, lastOf } from './tree.ts'

export function readTracked(entries: readonly Entry[]): Pick<Routers, 'files' | 'processes'> {
  return {
    files: new Map(
      allOf(entries, 'track_file', 'vrrp_track_file').flatMap((entry) => {
        const file = readFile(entry)
        return file === undefined ? [] : [[file.name, file]]
      }),
    ),
    processes: new Map(
      allOf(entries, 'vrrp_track_process').flatMap((entry) => {
        const process = readProcess(entry)
        return process === undefined ? [] : [[process.name, process]]
      }),
    ),
  }
}

/** keepalived.conf(5): `weight N [reverse]`. */
function weightOf(entries: readonly Entry[], most: number, otherwise: number) {
  const [written = '', word] = lastOf(entries, 'weight')?.words ?? []
  const weight = readInteger(written, { min: -most, max: most })
  return { weight: typeof weight === 'number' ? weight : otherwise, isReversed: word === 'reverse' }
}

function readFile({ place, words, entries }: Entry): TrackFile | undefined {
  const [path] = lastOf(entries, 'file')?.words ?? []
  if (path === undefined) return undefined
  const initial = lastOf(entries, 'init_file')
  const value = initial?.words.map((word) => readInteger(word, { min: -2_147_483_648, max: 2_147_483_647 }))
  return {
    place,
    name: words[0] ?? '',
    path,
    ...weightOf(entries, 2_147_483_647, 1),
    ...(initial === undefined
      ? {}
      : {
          initial: {
            value: value?.find((one) => typeof one === 'number') ?? 0,
            overwrites: initial.words.includes('overwrite'),
          },
        }),
  }
}

function readProcess({ place, words, entries }: Entry): TrackProcess | undefined {
  const [program, ...parameters] = lastOf(entries, 'process')?.words ?? []
  if (program === undefined) return undefined
  const match = lastOf(entries, 'param_match')?.value
  const number = (keyword: string, otherwise: number): number => {
    const value = lastOf(entries, keyword)?.value
    return typeof value === 'number' ? value : otherwise
  }
  const most = number('quorum_max', -1)
  const both = number('delay', 0)
  const hasParameters = parameters.length > 0 || match !== undefined
  return {
    place,
    name: words[0] ?? '',
    program,
    ...(hasParameters
      ? { parameters: { words: parameters, match: match === 'initial' || match === 'partial' ? match : 'exact' } }
      : {}),
    isFullCommand: lastOf(entries, 'full_command') !== undefined,
    ...weightOf(entries, 253, 0),
    least: number('quorum', 1),
    ...(most >= 0 ? { most } : {}),
    forkDelaySeconds: number('fork_delay', both),
    terminateDelaySeconds: number('terminate_delay', both),
  }
}
