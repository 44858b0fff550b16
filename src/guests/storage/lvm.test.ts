import { describe, expect, test } from 'vitest'
import { type FakeHost, fakeHost } from '../../hosts/fake/fake.ts'
import { ensureVolume, growVolume, listVolumes, removeVolume, snapshotVolume } from './lvm.ts'

const soon = (): { signal: AbortSignal } => ({ signal: AbortSignal.timeout(5000) })
const ok = (stdout = '') => ({ code: 0, stdout, stderr: '' })
const volume = { group: 'vg0', name: 'web-1-disk0' }
const gibibyte = 1024 ** 3

type Row = { lv_name: string; lv_size: string; origin: string; lv_tags: string }

/** A group in memory: lvcreate and its like as lvm(8) has them, as far as they are called. */
function hostWithGroup(rows: Row[]): { readonly host: FakeHost; readonly calls: string[] } {
  const host = fakeHost()
  const calls: string[] = []
  const after = (args: readonly string[], word: string): string => args[args.indexOf(word) + 1] ?? ''
  const nameOf = (args: readonly string[]): string => (args.at(-1) ?? '').replace('vg0/', '')
  const noted =
    (program: string, change: (args: readonly string[]) => void) =>
    async (args: readonly string[]): Promise<ReturnType<typeof ok>> => {
      calls.push(`${program} ${args.join(' ')}`)
      change(args)
      return ok()
    }
  host.install('lvs', async () => ok(JSON.stringify({ report: [{ lv: rows }] })))
  host.install('test', async () => ok())
  const create = (args: readonly string[]): void => {
    const tags = args.filter((_word, at) => args[at - 1] === '--addtag').join(',')
    const size = (args.includes('-V') ? after(args, '-V') : after(args, '-L')).replace('b', '')
    rows.push({
      lv_name: after(args, '-n'),
      lv_size: size,
      origin: args.includes('--snapshot') ? nameOf(args) : '',
      lv_tags: tags,
    })
  }
  host.install('lvcreate', noted('lvcreate', create))
  const find = (args: readonly string[]): Row => rows.find(({ lv_name: name }) => name === nameOf(args)) as Row
  host.install(
    'lvchange',
    noted('lvchange', (args) => {
      const row = find(args)
      row.lv_tags = row.lv_tags.replace(`,${after(args, '--deltag')}`, '')
    }),
  )
  host.install(
    'lvextend',
    noted('lvextend', (args) => {
      find(args).lv_size = after(args, '-L').replace('b', '')
    }),
  )
  host.install(
    'lvremove',
    noted('lvremove', (args) => void rows.splice(rows.indexOf(find(args)), 1)),
  )
  return { host, calls }
}

const foreign: Row = { lv_name: volume.name, lv_size: '1', origin: '', lv_tags: '' }

describe('logical volumes', () => {
  test('a disk is made once, finished, and found again', async () => {
    const { host, calls } = hostWithGroup([])
    await ensureVolume(host, volume, { sizeBytes: gibibyte }, soon())
    await ensureVolume(host, volume, { sizeBytes: gibibyte }, soon())
    expect(calls.filter((call) => call.startsWith('lvcreate'))).toHaveLength(1)
    expect(await listVolumes(host, 'vg0', soon())).toEqual([{ ...volume, sizeBytes: gibibyte, isOurs: true }])
  })

  test('one that a killed run left unfinished is made anew', async () => {
    const { host, calls } = hostWithGroup([{ ...foreign, lv_tags: 'baton,baton.unfinished' }])
    await ensureVolume(host, volume, { sizeBytes: gibibyte }, soon())
    expect(calls.map((call) => call.split(' ')[0])).toEqual(['lvremove', 'lvcreate', 'lvchange'])
  })

  test("nobody else's volume is ever touched", async () => {
    const { host, calls } = hostWithGroup([foreign])
    await expect(ensureVolume(host, volume, { sizeBytes: 1 }, soon())).rejects.toMatchObject({ code: 'already-exists' })
    for (const touching of [
      removeVolume(host, volume, soon()),
      growVolume(host, volume, 2, soon()),
      snapshotVolume(host, volume, 'copy', soon()),
    ])
      await expect(touching).rejects.toMatchObject({ code: 'permission' })
    expect(calls).toEqual([])
  })

  test('a thin volume comes from its pool, a snapshot names its origin, and only what grows is changed', async () => {
    const { host, calls } = hostWithGroup([])
    await ensureVolume(host, volume, { sizeBytes: gibibyte }, { pool: 'thin', ...soon() })
    expect(calls[0]).toContain(`-V ${gibibyte}b --thinpool thin`)
    await snapshotVolume(host, volume, 'copy', soon())
    expect((await listVolumes(host, 'vg0', soon()))[1]).toMatchObject({
      name: 'copy',
      origin: volume.name,
      isOurs: true,
    })
    await growVolume(host, volume, 2 * gibibyte, soon())
    await expect(growVolume(host, volume, gibibyte, soon())).rejects.toMatchObject({ code: 'invalid' })
    await removeVolume(host, volume, soon())
    await removeVolume(host, volume, soon())
    expect((await listVolumes(host, 'vg0', soon())).map(({ name }) => name)).toEqual(['copy'])
  })

  test.each([
    [
      '  /dev/mapper/control: open failed: Operation not permitted\n  Is device-mapper driver missing from kernel?',
      'unsupported',
    ],
    ['  Volume group "vg0" not found', 'not-found'],
  ])('%s is told as %s', async (stderr, code) => {
    const host = fakeHost()
    host.install('lvs', async () => ({ code: 5, stdout: '', stderr }))
    await expect(listVolumes(host, 'vg0', soon())).rejects.toMatchObject({ code })
  })
})
