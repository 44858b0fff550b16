/** The same play with keepalived, with `baton keepalived` and with a director in its place, at the same time, each on a site of its own. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Witnessed } from '../ha/witness.ts'
import { Site } from '../ha/world.ts'
import { openBaton } from '../hello/baton.ts'
import { director, ours, type Start, theirs } from './here.ts'

export type Play<T> = (stage: { readonly site: Site; readonly directory: string; readonly start: Start }) => Promise<T>

export type Beside<T> = {
  /** How it went with keepalived itself. */
  readonly original: T
  /** How it went with Baton: as keepalived, as a director. */
  readonly own: readonly T[]
}

/** `machines`: of each site; the play's own is the first. Where the original does something else by intent, `play` is told which it is. */
export async function playBeside<T>(machines: number, play: (isOriginal: boolean) => Play<T>): Promise<Beside<T>> {
  await using theirSite = await Site.open(machines)
  await using ourSite = await Site.open(machines)
  await using directorSite = await Site.open(machines)
  const folder = mkdtempSync(join(tmpdir(), 'baton-keepalived-'))
  await using baton = openBaton(ourSite.inside(0))
  await using serving = openBaton(directorSite.inside(0))
  const place = (name: string): string => mkdtempSync(join(folder, name))
  try {
    const [original, ...own] = await Promise.all([
      play(true)({ site: theirSite, directory: place('theirs-'), start: theirs(theirSite, folder) }),
      play(false)({ site: ourSite, directory: place('ours-'), start: ours(ourSite, folder, baton) }),
      play(false)({ site: directorSite, directory: place('director-'), start: director(directorSite, serving) }),
    ])
    return { original, own }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The priorities that each address has advertised, each change of them once, in order. */
export type Heard = Readonly<Record<string, readonly number[]>>

export function heardOf(adverts: readonly Witnessed[]): Heard {
  const heard: Record<string, number[]> = {}
  for (const { from, priority } of adverts) {
    const known = (heard[from] ??= [])
    if (known.at(-1) !== priority) known.push(priority)
  }
  return heard
}
