/** ldirectord 4.12 and Baton on the same configurations: the same verdict, and the same table once the checks have spoken. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sleep } from '../net/loopback.ts'
import { isRoot } from '../net/namespaces.ts'
import { type Difference, differences } from './differences.ts'
import { openShop } from './shop.ts'
import { startBaton, startOriginal } from './sides.ts'
import { openWorld, type World } from './world.ts'

const folder = join(import.meta.dirname, 'configs')
const sample = '/usr/share/doc/ldirectord/examples/ldirectord.cf'
const read = (name: string): string => readFileSync(name === 'sample' ? sample : join(folder, `${name}.cf`), 'utf8')
const names = readdirSync(folder).map((file) => file.replace(/\.cf$/, ''))
const named = (beginning: string) => names.filter((name) => name.startsWith(beginning)).map((name) => ({ name }))
const same = ['sample', ...names.filter((name) => !/^(wrong|strict|differs)-/.test(name))].map((name) => ({ name }))

if (!isRoot()) console.warn('skipped: a network of its own needs root')

let world: World
beforeAll(async () => {
  if (!isRoot()) return
  world = await openWorld()
  await openShop(world.servers)
})
afterAll(async () => await world?.[Symbol.asyncDispose]())

/** `LINE: TEXT` of each error, from the words of either. What it does not know ldirectord says with its line end. */
const errorsOfOriginal = (said: readonly string[]): string[] =>
  errors(said, /^Error \[\d+\] reading file \S+ at line (\d+): (.*)/)
const errorsOfBaton = (said: readonly string[]): string[] =>
  errors(said, /^\S+?:(\d+):\d+: (?:error: )?(.*)/).map((text) => text.replace(/( Unknown command ".*)"$/, '$1'))

function errors(said: readonly string[], pattern: RegExp): string[] {
  return said.flatMap((line) => {
    const [, at, text = ''] = pattern.exec(line) ?? []
    return at === undefined ? [] : [`${at}: ${text.trimEnd()}`]
  })
}

describe.skipIf(!isRoot())('a configuration', () => {
  test.concurrent.each(named('wrong-'))('$name is refused by both, for the same first error', async ({ name }) => {
    await using original = await startOriginal(world, read(name))
    await using baton = await startBaton(world, read(name))
    const [theirs, ours] = await Promise.all([original.ended, baton.ended])
    expect(theirs.code, theirs.said.join('\n')).toBe(2)
    expect(ours.code, ours.said.join('\n')).toBe(1)
    const [first] = errorsOfOriginal(theirs.said)
    expect(first).toBeDefined()
    expect(errorsOfBaton(ours.said)[0]).toBe(first)
  })

  test.concurrent.each(named('strict-'))('$name is refused by Baton; ldirectord tries and tries', async ({ name }) => {
    await using original = await startOriginal(world, read(name))
    await using baton = await startBaton(world, read(name))
    const { code, said } = await baton.ended
    expect(code, said.join('\n')).toBe(1)
    expect(errorsOfBaton(said)).toHaveLength(1)
    await settled(original)
    expect(original.calls.some(({ code }) => code !== 0)).toBe(true)
  })

  test.concurrent.each(same)('$name is the same table', async ({ name }) => {
    await compare(name, {})
  })

  test.concurrent.each(differences)('$name: the tables differ so', async ({ name, ...difference }) => {
    await compare(name, difference)
  })

  test('every difference has a configuration and a row of its own', () => {
    const page = readFileSync(join(import.meta.dirname, '../../docs/compat/ldirectord.md'), 'utf8')
    expect(differences.map(({ name }) => name).sort()).toEqual(named('differs-').map(({ name }) => name))
    for (const { name } of [...named('differs-'), ...named('strict-')]) expect(page).toContain(`\`${name}\``)
  })
})

/** Both tables once all has been checked, and a while later: the same, but for what is said to differ. */
async function compare(name: string, { less = [], more = [], ends }: Omit<Difference, 'name'>): Promise<void> {
  await using original = await startOriginal(world, read(name))
  await using baton = await startBaton(world, read(name))
  if (ends) expect((await original.ended).code).not.toBe(0)
  else await settled(original)
  const theirs = async (): Promise<string[]> => (ends ? [] : await original.table())
  const expected = [...(await theirs()).filter((line) => !less.includes(line)), ...more].sort()
  expect(expected).not.toEqual([])
  const isSame = async (): Promise<boolean> => (await baton.table()).join() === expected.join()
  await until(isSame, 15_000)
  expect(await baton.table()).toEqual(expected)
  for (const line of less) expect(await theirs()).toContain(line)
  await sleep(1200)
  expect(await baton.table()).toEqual(expected)
  expect([...(await theirs()).filter((line) => !less.includes(line)), ...more].sort()).toEqual(expected)
}

/** All servers were checked twice at least. */
async function settled(original: Awaited<ReturnType<typeof startOriginal>>): Promise<void> {
  await until(async () => !original.isRunning() || original.passes() > 2, 60_000)
  expect(original.passes()).toBeGreaterThan(2)
  if (!original.isRunning()) throw new Error((await original.ended).said.slice(-20).join('\n'))
}

/** Looks now and then: what is waited for is to have the machine for itself. */
async function until(check: () => Promise<boolean>, ms: number): Promise<void> {
  for (const end = Date.now() + ms; Date.now() < end && !(await check()); ) await sleep(100)
}
