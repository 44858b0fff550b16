import { appendFile, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { openDirectorWorld, within } from '../../test/build/director.ts'
import { buildServer, buildService } from '../../test/build/services.ts'
import type { TableEdit } from '../lvs/edit.ts'
import type { ServiceId } from '../lvs/service.ts'
import { type EditJournal, fileEditJournal } from './edit-journal.ts'
import { emptyIntent } from './intent.ts'

async function temporaryJournal(): Promise<AsyncDisposable & { path: string; open: () => EditJournal }> {
  const directory = await mkdtemp(join(tmpdir(), 'baton-journal-'))
  const path = join(directory, 'run', 'director.edits')
  return {
    path,
    open: () => fileEditJournal(path),
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
  }
}

const mark = (mark: number): ServiceId => ({ kind: 'fwmark', mark, family: 'ipv4' })
const add = (number: number): TableEdit => ({ kind: 'service.add', service: buildService({ id: mark(number) }) })
const nothing = (): TableEdit[] => []

describe('edit journal', () => {
  test('what was appended is loaded again, in order', async () => {
    await using world = await temporaryJournal()
    const journal = world.open()
    expect(await journal.load()).toEqual({ edits: [] })
    await journal.append([add(1), add(2)], nothing)
    await journal.append([{ kind: 'service.delete', id: mark(1) }], nothing)
    expect((await stat(world.path)).mode & 0o777).toBe(0o600)
    expect(await world.open().load()).toEqual({ edits: [add(1), add(2), { kind: 'service.delete', id: mark(1) }] })
    await journal.remove()
    expect(await world.open().load()).toEqual({ edits: [] })
  })

  test('a last line that a crash cut off is dropped, and the next edit begins a new one', async () => {
    await using world = await temporaryJournal()
    await world.open().append([add(1)], nothing)
    await appendFile(world.path, JSON.stringify([add(2)]).slice(0, 20))
    const journal = world.open()
    expect(await journal.load()).toEqual({ edits: [add(1)] })
    await journal.append([add(3)], nothing)
    expect(await world.open().load()).toEqual({ edits: [add(1), add(3)] })
  })

  test('what is no edit is set aside, and what comes before it is kept', async () => {
    await using world = await temporaryJournal()
    await world.open().append([add(1)], nothing)
    await appendFile(world.path, '[{"kind":"frobnicate"}]\n')
    const { edits, trouble } = await world.open().load()
    expect(edits).toEqual([add(1)])
    expect(trouble).toMatch(/^line 2 of .* is no edit; it was set aside as .*\.broken/)
  })

  test('it is written anew when it has outgrown what it says', async () => {
    await using world = await temporaryJournal()
    const journal = world.open()
    const many = Array.from({ length: 1000 }, (_, index) => add(index + 1))
    for (let round = 0; round < 30; round += 1) await journal.append(many, () => [add(7)])
    expect((await stat(world.path)).size).toBeLessThan(2 * 1024 * 1024)
    expect((await world.open().load()).edits.slice(0, 2)).toEqual([add(7), many[0]])
  })

  test('one edit of a long journal costs one line', async () => {
    await using world = await temporaryJournal()
    const journal = world.open()
    await journal.rewrite(Array.from({ length: 20_000 }, (_, index) => add(index + 1)))
    const before = (await stat(world.path)).size
    await journal.append([add(1)], () => {
      throw new Error('written anew')
    })
    expect((await stat(world.path)).size - before).toBeLessThan(300)
  })
})

describe('a director and its journal', () => {
  const edits: TableEdit[] = [
    add(1),
    add(2),
    { kind: 'server.add', id: mark(1), server: buildServer(1001) },
    { kind: 'server.add', id: mark(1), server: buildServer(1002) },
    { kind: 'server.edit', id: mark(1), server: buildServer(1001, { weight: 9 }) },
    { kind: 'service.delete', id: mark(2) },
    { kind: 'timeouts', timeouts: { udp: 17 } },
  ]

  test('after a crash the table made by hand stands as it stood, servers in their order', async () => {
    await using world = await temporaryJournal()
    const first = await openDirectorWorld(emptyIntent, { journal: world.open() })
    await first.director.edit(edits, within())
    const before = await first.director.table(within())
    await using second = await openDirectorWorld(emptyIntent, { journal: world.open() })
    expect(await second.director.table(within())).toEqual(before)
    await first[Symbol.asyncDispose]()
  })

  test('what somebody else does to a service made by hand is put right', async () => {
    await using world = await openDirectorWorld()
    await world.director.edit(edits, within())
    const before = await world.director.table(within())
    await world.engine.apply([{ kind: 'service.remove', id: mark(1) }], within())
    await world.timing.advance(30_000)
    expect(await world.director.table(within())).toEqual(before)
  })

  test('a journal that cannot be written is a problem that is said, and ends when it can', async () => {
    await using world = await temporaryJournal()
    await using director = await openDirectorWorld(emptyIntent, { journal: world.open() })
    await writeFile(world.path.replace('/run/director.edits', '/run'), 'in the way')
    expect(await director.director.edit(edits, within())).toContainEqual({ ok: true })
    const problems = async (): Promise<readonly string[]> => (await director.director.status(within())).problems
    expect(await problems()).toEqual([expect.stringMatching(/would not outlive a crash/)])
    await rm(world.path.replace('/director.edits', ''))
    await director.timing.advance(30_000)
    await expect.poll(problems).toEqual([])
    expect((await readFile(world.path, 'utf8')).length).toBeGreaterThan(100)
  })
})
