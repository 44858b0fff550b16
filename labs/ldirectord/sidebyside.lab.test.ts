/** ldirectord 4.12 and Baton on the same configurations: the same verdict, and the same table once the checks have spoken. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sleep } from '../net/loopback.ts'
import { isRoot } from '../net/namespaces.ts'
import { type Difference, differences } from './differences.ts'
import { openShop } from './shop.ts'
import { type BatonSide, startBaton, startOriginal, startProgram } from './sides.ts'
import { openWorld, type World } from './world.ts'

const folder = join(import.meta.dirname, 'configs')
const sample = '/usr/share/doc/ldirectord/examples/ldirectord.cf'
const read = (name: string): string => readFileSync(name === 'sample' ? sample : join(folder, `${name}.cf`), 'utf8')
const names = readdirSync(folder).map((file) => file.replace(/\.cf$/, ''))
const named = (beginning: string) => names.filter((name) => name.startsWith(beginning)).map((name) => ({ name }))
const same = ['sample', ...names.filter((name) => !/^(wrong|strict|differs)/.test(name))].map((name) => ({ name }))

if (!isRoot()) console.warn('skipped: a network of its own needs root')

/** A machine that is busy with other things takes its time. */
const patienceMs = 120_000
const longMs = 300_000

let world: World
beforeAll(async () => {
  if (!isRoot()) return
  world = await openWorld()
  await openShop(world.servers)
})
afterAll(async () => await world?.[Symbol.asyncDispose]())

/** `LINE: TEXT` of each error. What it does not know ldirectord says with its line end, the last quote after it. */
function errors(said: readonly string[]): string[] {
  return said.flatMap((line) => {
    const [, at, text = ''] = /^Error \[\d+\] reading file \S+ at line (\d+): (.*)/.exec(line) ?? []
    return at === undefined ? [] : [`${at}: ${text.trimEnd()}`]
  })
}

describe.skipIf(!isRoot())('a configuration', () => {
  test.concurrent.each(named('wrong-'))('$name is refused by both, for the same first error', async ({ name }) => {
    await using original = await startOriginal(world, read(name))
    await using program = startProgram(world, read(name))
    const [theirs, ours] = await Promise.all([original.ended, program.ended])
    expect(theirs.code, theirs.said.join('\n')).toBe(2)
    expect(ours.code, ours.said.join('\n')).toBe(2)
    const [[first = ''], all] = [errors(theirs.said), errors(ours.said)]
    expect(first).not.toBe('')
    expect([first, `${first}"`]).toContain(all[0])
    if (name === 'wrong-many') expect(all.length).toBeGreaterThan(5)
  })

  test.concurrent.each(named('strict-'))('$name is refused by Baton; ldirectord tries and tries', async ({ name }) => {
    await using original = await startOriginal(world, read(name))
    await using program = startProgram(world, read(name))
    const { code, said } = await program.ended
    expect(code, said.join('\n')).toBe(2)
    expect(errors(said)).toHaveLength(1)
    await settled(original)
    expect(original.calls.some(({ code }) => code !== 0)).toBe(true)
  })

  test.concurrent.each(same)(
    '$name is the same table',
    async ({ name }) => {
      await compare(name, {})
    },
    longMs,
  )

  test.concurrent(
    'with differs the tables are the same but for what is listed',
    async () => {
      await compare('differs', {
        less: differences.flatMap(({ less = [] }) => less),
        more: differences.flatMap(({ more = [] }) => more),
      })
    },
    longMs,
  )

  test.concurrent('with differs-http6 ldirectord ends, and Baton serves', async () => {
    await using original = await startOriginal(world, read('differs-http6'))
    await using baton = await startBaton(world, read('differs-http6'))
    const { code, said } = await original.ended
    expect(code, said.join('\n')).not.toBe(0)
    const expected = ['-A -t [fd00::1]:80 -s wrr', '-a -t [fd00::1]:80 -r [fd09::3]:80 -m -w 1']
    const ours = (): Promise<string[]> => baton.table().catch(() => ['not yet'])
    await until(async () => (await ours()).join() === expected.join(), patienceMs)
    expect(await ours()).toEqual(expected)
  })

  test('every difference has a row of its own', () => {
    const page = readFileSync(join(import.meta.dirname, '../../docs/compat/ldirectord.md'), 'utf8')
    for (const { name } of differences) expect(page).toContain(`\`differs.cf\` ${name} |`)
    for (const { name } of [...named('differs-'), ...named('strict-')]) expect(page).toContain(`\`${name}.cf\``)
  })
})

/** Both tables once all has been checked, and a while later: the same, but for what is said to differ. */
async function compare(name: string, { less = [], more = [] }: Omit<Difference, 'name'>): Promise<void> {
  await using original = await startOriginal(world, read(name))
  await using baton = await startBaton(world, read(name))
  await settled(original)
  const theirs = (): Promise<string[]> => original.table()
  const ours = (): Promise<string[]> => baton.table().catch(() => ['not yet'])
  const expected = [...(await theirs()).filter((line) => !less.includes(line)), ...more].sort()
  expect(expected).not.toEqual([])
  const isSame = async (): Promise<boolean> => (await ours()).join() === expected.join()
  await until(isSame, patienceMs)
  expect(await ours(), healthOf(baton)).toEqual(expected)
  for (const line of less) expect(await theirs()).toContain(line)
  await sleep(1200)
  expect(await ours(), healthOf(baton)).toEqual(expected)
  expect([...(await theirs()).filter((line) => !less.includes(line)), ...more].sort()).toEqual(expected)
}

/** All servers were checked: it begins anew. */
async function settled(original: Awaited<ReturnType<typeof startOriginal>>): Promise<void> {
  await until(async () => !original.isRunning() || original.passes() > 1, patienceMs)
  expect(original.passes()).toBeGreaterThan(1)
  if (!original.isRunning()) throw new Error((await original.ended).said.slice(-20).join('\n'))
}

/** What its checks have said, for when they should not have. */
function healthOf(baton: BatonSide): string {
  const changes = baton.events().filter((event) => event.kind === 'server.health')
  return changes.map(({ service, server, to, reason }) => `${service} ${server} ${to}: ${reason}`).join('\n')
}

/** Looks now and then: what is waited for is to have the machine for itself. */
async function until(check: () => Promise<boolean>, ms: number): Promise<void> {
  for (const end = Date.now() + ms; Date.now() < end && !(await check()); ) await sleep(100)
}
