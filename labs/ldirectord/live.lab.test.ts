/** ldirectord 4.12 and Baton through the same day: servers die and come back, files change; the same table after each step. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { DirectorEvent } from '../../src/director/events.ts'
import { sleep } from '../net/loopback.ts'
import { isRoot } from '../net/namespaces.ts'
import { type BatonSide, type OriginalSide, type Side, startBaton, startOriginal, startProgram } from './sides.ts'
import { openWorld, type World } from './world.ts'

if (!isRoot()) console.warn('skipped: a network of its own needs root')

const longMs = 300_000

let world: World
beforeAll(async () => {
  if (isRoot()) world = await openWorld()
})
afterAll(async () => await world?.[Symbol.asyncDispose]())

const well = { kind: 'http', pages: { '/': { body: 'well' } } } as const
const sick = { kind: 'http', pages: { '/': { status: 503, body: 'sick' } } } as const

type Both = AsyncDisposable & {
  readonly original: OriginalSide
  readonly baton: BatonSide
  /** Writes both files, and tells both to read them. */
  reload(config: string): void
  /** Both tables become these lines; what is only said of one of them is looked at by itself. */
  become(lines: readonly string[]): Promise<void>
}

async function startBoth(config: string): Promise<Both> {
  const original = await startOriginal(world, config)
  const baton = await startBaton(world, config)
  return {
    original,
    baton,
    reload(config) {
      for (const side of [original, baton]) {
        writeFileSync(side.file, config)
        side.signal('SIGHUP')
      }
    },
    async become(lines) {
      await becomes(original, lines)
      await becomes(baton, lines)
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([original[Symbol.asyncDispose](), baton[Symbol.asyncDispose]()])
    },
  }
}

/** Stands as said, and stands still: what ldirectord shows for a moment only is not waited for. */
async function becomes(side: Side, lines: readonly string[], deadlineMs = 60_000): Promise<void> {
  const expected = [...lines].sort()
  const table = async (): Promise<string[]> =>
    side.isRunning() ? await side.table().catch(() => ['not yet']) : ['ended']
  const end = Date.now() + deadlineMs
  for (let same = 0; same < 4 && Date.now() < end; await sleep(100))
    same = (await table()).join() === expected.join() ? same + 1 : 0
  expect(await table()).toEqual(expected)
}

/** What ldirectord has done to a server. */
const callsOf = ({ calls }: OriginalSide, server: string): string[] =>
  calls.map(({ words }) => words).filter((words) => words.split(' ').includes(server))

/** When Baton gave a server a weight, by its log. */
const weightsGiven = (baton: BatonSide, server: string): DirectorEvent[] =>
  baton
    .events()
    .filter(
      (event) =>
        (event.kind === 'server.added' || event.kind === 'server.changed') &&
        event.server === server &&
        (event.to ?? 0) > 0,
    )

const www = '-t 10.0.0.1:80'
const api = '-t 10.0.0.2:80'
const fallback = `-a ${www} -r 127.0.0.1:81 -m -w 1`

/** Servers of a test's own: two well ones and a dead one, and configurations that name them. */
async function openScene(net: number) {
  const place = (last: number): string => `10.9.${net}.${last}:80`
  for (const last of [1, 2]) await world.servers.set(place(last), well)
  const config = ({ weight = 2, more = '', broken = '' } = {}): string => `${broken}
checkinterval=1
negotiatetimeout=10
virtual=10.0.0.1:80
    real=${place(1)} masq 1
    real=${place(2)} masq ${weight}
    real=${place(3)} masq 3
    fallback=127.0.0.1:81 masq
    receive="well"
${more}`
  return {
    place,
    config,
    /** Keeps what is down. */
    apiBlock: `virtual=10.0.0.2:80
    quiescent=yes
    scheduler=rr
    real=${place(1)} masq 5
    real=${place(3)} masq 7
    receive="well"
`,
    /** With files that take servers out, and a command when nobody is left. */
    keeping: (maintenance: string, notes: string): string =>
      config()
        .replace('checkinterval=1', `checkinterval=1\nmaintenancedir=${maintenance}`)
        .replace('    fallback=', `    fallbackcommand=echo >> ${notes}\n    fallback=`),
  }
}

describe.skipIf(!isRoot())('ldirectord and Baton, side by side', () => {
  test.concurrent(
    'servers die, answer otherwise and come back, down to the last',
    async () => {
      const { place, config, apiBlock } = await openScene(1)
      await using both = await startBoth(config({ more: apiBlock }))
      const services = [`-A ${www} -s wrr`, `-A ${api} -s rr`]
      const one = `-a ${www} -r ${place(1)} -m -w 1`
      const two = `-a ${www} -r ${place(2)} -m -w 2`
      const apiOne = `-a ${api} -r ${place(1)} -m -w 5`
      const apiThree = `-a ${api} -r ${place(3)} -m -w 0`
      await both.become([...services, one, two, apiOne, apiThree])

      await world.servers.set(place(2), undefined)
      await both.become([...services, one, apiOne, apiThree])
      await world.servers.set(place(1), sick)
      await both.become([...services, fallback, `-a ${api} -r ${place(1)} -m -w 0`, apiThree])
      await world.servers.set(place(3), well)
      await both.become([
        ...services,
        `-a ${www} -r ${place(3)} -m -w 3`,
        `-a ${api} -r ${place(1)} -m -w 0`,
        `-a ${api} -r ${place(3)} -m -w 7`,
      ])
      await world.servers.set(place(1), well)
      await world.servers.set(place(2), well)
      await world.servers.set(place(3), undefined)
      await both.become([...services, one, two, apiOne, apiThree])

      for (const side of [both.original, both.baton]) side.signal('SIGTERM')
      expect((await both.original.ended).code).toBe(0)
      expect((await both.baton.ended).code).toBe(0)
      expect(await both.original.table()).toEqual([])
    },
    longMs,
  )

  test.concurrent(
    'a file with other weights, with a virtual more and one less; only ldirectord sends traffic to a dead server',
    async () => {
      const { place, config, apiBlock } = await openScene(2)
      await using both = await startBoth(config())
      const one = `-a ${www} -r ${place(1)} -m -w 1`
      const two = (weight: number): string => `-a ${www} -r ${place(2)} -m -w ${weight}`
      await both.become([`-A ${www} -s wrr`, one, two(2)])
      // At the start the dead server is given its full weight, and then is taken away.
      const atStart = callsOf(both.original, place(3))
      expect(atStart).toEqual([`-a ${www} -x 0 -y 0 -r ${place(3)} -m -w 3`, `-d ${www} -r ${place(3)}`])

      both.reload(config({ weight: 9, more: apiBlock }))
      const more = [`-A ${api} -s rr`, `-a ${api} -r ${place(1)} -m -w 5`, `-a ${api} -r ${place(3)} -m -w 0`]
      await both.become([`-A ${www} -s wrr`, one, two(9), ...more])
      // And so again at a reload, though it was known to be dead.
      expect(callsOf(both.original, place(3)).length).toBeGreaterThan(atStart.length)

      both.reload(apiBlock.replace('virtual', 'checkinterval=1\nvirtual'))
      await both.become(more)
      both.reload(config({ weight: 4 }))
      await both.become([`-A ${www} -s wrr`, one, two(4)])
      expect(weightsGiven(both.baton, place(1))).not.toEqual([])
      expect(weightsGiven(both.baton, place(3))).toEqual([])
    },
    longMs,
  )

  test.concurrent(
    'a file with an error changes nothing; only Baton acts on its checks from then on',
    async () => {
      const { place, config } = await openScene(3)
      await using both = await startBoth(config())
      const one = `-a ${www} -r ${place(1)} -m -w 1`
      const all = [`-A ${www} -s wrr`, one, `-a ${www} -r ${place(2)} -m -w 2`]
      await both.become(all)
      both.reload(config({ weight: 5, broken: 'nonsense' }))
      await sleep(2500)
      await both.become(all)

      await world.servers.set(place(2), undefined)
      await becomes(both.baton, [`-A ${www} -s wrr`, one])
      await becomes(both.original, all)
      both.reload(config({ weight: 5 }))
      await both.become([`-A ${www} -s wrr`, one])
      await world.servers.set(place(2), well)
      await both.become([`-A ${www} -s wrr`, one, `-a ${www} -r ${place(2)} -m -w 5`])
    },
    longMs,
  )
})

describe.skipIf(!isRoot())('ldirectord and Baton in its place', () => {
  test.concurrent(
    'a file takes a server out of service, and its command hears when nobody is left',
    async () => {
      const { place, keeping } = await openScene(4)
      const maintenance = mkdtempSync(join(world.directory, 'maintenance-'))
      const notes = { original: join(world.directory, 'original'), program: join(world.directory, 'program') }
      await using original = await startOriginal(world, keeping(maintenance, notes.original))
      await using program = startProgram(world, keeping(maintenance, notes.program))
      const both = async (...lines: readonly string[]): Promise<void> => {
        for (const side of [original, program]) await becomes(side, [`-A ${www} -s wrr`, ...lines])
      }
      const one = `-a ${www} -r ${place(1)} -m -w 1`
      const two = `-a ${www} -r ${place(2)} -m -w 2`
      await both(one, two)
      for (const name of [place(1), '10.9.4.1']) {
        writeFileSync(join(maintenance, name), '')
        await both(two)
        rmSync(join(maintenance, name))
        await both(one, two)
      }
      writeFileSync(join(maintenance, '10.9.4.2'), '')
      writeFileSync(join(maintenance, place(1)), '')
      await both(fallback)
      await heard(notes.original, 'start 10.0.0.1:80 tcp')
      await heard(notes.program, 'start 10.0.0.1:80 tcp')
      rmSync(join(maintenance, '10.9.4.2'))
      await both(two)
      await heard(notes.original, 'stop 10.0.0.1:80 tcp')
      await heard(notes.program, 'stop 10.0.0.1:80 tcp')

      for (const side of [original, program]) side.signal('SIGTERM')
      expect((await original.ended).code).toBe(0)
      expect((await program.ended).code).toBe(0)
    },
    longMs,
  )
})

/** What the command has heard last. */
async function heard(notes: string, expected: string): Promise<void> {
  const last = (): string => (existsSync(notes) ? (readFileSync(notes, 'utf8').trimEnd().split('\n').at(-1) ?? '') : '')
  for (let left = 300; left > 0 && last() !== expected; left--) await sleep(100)
  expect(last()).toBe(expected)
}
