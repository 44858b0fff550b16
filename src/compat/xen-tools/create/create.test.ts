import { describe, expect, test } from 'vitest'
import { type FakeHost, fakeHost } from '../../../hosts/fake/fake.ts'
import type { RunResult } from '../../../hosts/host.ts'
import { runDeleteImage } from '../delete.ts'
import { runCreateImage } from './front.ts'

const soon = (): { signal: AbortSignal } => ({ signal: AbortSignal.timeout(10_000) })
const ok = (stdout = ''): RunResult => ({ code: 0, stdout, stderr: '' })
const no: RunResult = { code: 1, stdout: '', stderr: '' }

type World = { readonly host: FakeHost; readonly ran: string[]; readonly said: string[] }

/**
 * A host whose commands make and look for files, and note what they were asked. `broken`: a word of a command that fails.
 * `running`: what xl says runs; undefined: there is no xl.
 */
async function world({ broken = '', running }: { broken?: string; running?: string } = {}): Promise<World> {
  const host = fakeHost({ facts: { isRoot: true } })
  const ran: string[] = []
  const exists = async (path: string): Promise<boolean> =>
    (await host.readFile(path, soon())) !== undefined || (await host.list(path, soon())) !== undefined
  const noted =
    (program: string, answer: (args: readonly string[]) => Promise<RunResult>) =>
    async (args: readonly string[]): Promise<RunResult> => {
      ran.push(`${program} ${args.join(' ')}`)
      const isBroken = broken !== '' && args.join(' ').includes(broken)
      return isBroken ? { code: 1, stdout: '', stderr: 'it broke\n' } : answer(args)
    }
  host.install(
    'test',
    noted('test', async ([, path = '']) => ((await exists(path)) ? ok() : no)),
  )
  host.install(
    'sh',
    noted('sh', async (args) => {
      const [, script = '', , first = ''] = args
      if (script.includes('xl list')) {
        const row = `${running} 3 128 1 -b---- 6.1 00000000-0000-4000-8000-000000000001 - -\n`
        return running === undefined ? no : ok(row)
      }
      if (script.includes('truncate')) await host.writeFile(first, 'image', soon())
      else if (script.includes('-L "$1"')) return (await exists(first)) ? ok() : no
      return ok()
    }),
  )
  host.install(
    'unshare',
    noted('unshare', async (args) =>
      ok(
        args.join(' ').includes('look for a kernel') || args.join(' ').includes('newest')
          ? '/vmlinuz\n/initrd.img\n'
          : '',
      ),
    ),
  )
  for (const program of ['mkswap', 'mkfs.ext4', 'mkfs.ext3'])
    host.install(
      program,
      noted(program, async () => ok()),
    )
  await host.writeFile('/srv/.keep', '', soon())
  await host.writeFile('/t.tar', 'a tree', soon())
  const said: string[] = []
  return { host, ran, said }
}

const create = ({ host, said }: World, line: string) =>
  runCreateImage(host, line.split(' ').filter(Boolean), (text) => said.push(text), soon())
const remove = ({ host, said }: World, line: string) =>
  runDeleteImage(host, line.split(' ').filter(Boolean), (text) => said.push(text), soon())

const guest =
  '--hostname=lpic --dir=/srv --dhcp --size=1G --swap=128M --install-method=tar --install-source=/t.tar --pygrub'
const itsFiles = ['/srv/domains/lpic/disk.img', '/srv/domains/lpic/swap.img', '/etc/xen/lpic.cfg']

async function contents({ host }: World): Promise<readonly (string | undefined)[]> {
  const texts = await Promise.all(itsFiles.map((path) => host.readFile(path, soon())))
  return texts.map((text) => (text === undefined ? undefined : new TextDecoder().decode(text)))
}

async function withGuest(options: Parameters<typeof world>[0] = {}): Promise<World> {
  const made = await world(options)
  const [disk = '', swap = '', config = ''] = itsFiles
  await made.host.writeFile(disk, 'precious', soon())
  await made.host.writeFile(swap, 'precious', soon())
  await made.host.writeFile(config, "name = 'lpic'\n", soon())
  return made
}

const standing = ['precious', 'precious', "name = 'lpic'\n"]

describe('xen-create-image', () => {
  test('makes the volumes, fills them, writes the configuration, and tells the password once', async () => {
    const made = await world()
    expect(await create(made, `${guest} --password=hidden`)).toEqual({ stdout: '', stderr: '', code: 0 })
    expect(made.ran.filter((line) => line.startsWith('mk'))).toEqual([
      'mkswap /srv/domains/lpic/swap.img',
      'mkfs.ext3 -q -F /srv/domains/lpic/disk.img',
    ])
    const [, , config] = await contents(made)
    expect(config).toContain("'file:/srv/domains/lpic/disk.img,xvda2,w'")
    expect(made.said.join('')).toContain('Root Password   :  hidden')
    const log = new TextDecoder().decode(await made.host.readFile('/var/log/xen-tools/lpic.log', soon()))
    expect(log).toContain('Hostname       :  lpic')
    expect(log).not.toContain('hidden')
    expect(made.ran.join('\n')).not.toContain('hidden')
  })

  test.each([
    '--hostname=lpic --dir=/srv --dhcp --ip=10.0.0.5',
    '--hostname=lpic --dir=/srv --dhcp --memory=lots',
    '--hostname=lpic --dir=/srv',
    '--hostname=lpic --dir=/srv --dhcp --bogus',
    '--hostname=lpic --dir=/srv --dhcp --force --role=nowhere --install-method=tar --install-source=/t.tar',
    '--hostname=lpic --dir=/srv --dhcp --force --install-method=tar --install-source=/nowhere',
    '--hostname=lpic --dir=/nowhere --dhcp --force --install-method=tar --install-source=/t.tar',
    guest,
  ])('%s: the guest that stands stays, and the code is not 0', async (line) => {
    const made = await withGuest()
    expect(await create(made, line)).toMatchObject({ code: 127, stderr: expect.stringMatching(/\w[\s\S]*Aborting\n$/) })
    expect(await contents(made)).toEqual(standing)
  })

  test.each(['mkfs', 'tar -C', 'newest', 'chpasswd'])(
    '%s fails: what was made goes, and the code is not 0',
    async (broken) => {
      const made = await world({ broken: broken === 'mkfs' ? '/disk.img' : broken })
      expect(await create(made, guest)).toMatchObject({ code: 127, stderr: expect.stringContaining('it broke') })
      expect(await contents(made)).toEqual([undefined, undefined, undefined])
      expect(await made.host.list('/srv/domains/lpic', soon())).toBeUndefined()
    },
  )

  test('--keep leaves what a failed run has made', async () => {
    const made = await world({ broken: 'chpasswd' })
    expect(await create(made, `${guest} --keep`)).toMatchObject({ code: 127 })
    expect((await contents(made))[0]).toBe('image')
  })

  test('--force puts the new guest in place of the old one, or leaves the old one whole', async () => {
    const failing = await withGuest({ broken: 'chpasswd' })
    expect(await create(failing, `${guest} --force`)).toMatchObject({ code: 127 })
    expect(await contents(failing)).toEqual(standing)
    const made = await withGuest()
    expect(await create(made, `${guest} --force`)).toMatchObject({ code: 0 })
    expect((await contents(made)).slice(0, 2)).toEqual(['image', 'image'])
    expect(await made.host.list('/srv/domains/lpic', soon())).toEqual(['disk.img', 'swap.img'])
  })

  test('a guest that runs is left alone', async () => {
    const made = await withGuest({ running: 'lpic' })
    expect(await create(made, `${guest} --force`)).toMatchObject({ code: 127, stderr: expect.stringContaining('runs') })
    expect(await remove(made, '--dir=/srv lpic')).toMatchObject({ code: 127 })
    expect(await contents(made)).toEqual(standing)
  })
})

describe('xen-delete-image', () => {
  test('the images, the configuration and the link go; another guest stays', async () => {
    const made = await withGuest()
    await made.host.writeFile('/etc/xen/auto/lpic.cfg', '', soon())
    await made.host.writeFile('/srv/domains/lpic2/disk.img', 'another', soon())
    expect(await remove(made, '--dir=/srv --dry-run lpic')).toMatchObject({ code: 0 })
    expect(await contents(made)).toEqual(standing)
    expect(await remove(made, '--dir=/srv --hostname=lpic')).toMatchObject({ code: 0 })
    expect(await contents(made)).toEqual([undefined, undefined, undefined])
    expect(await made.host.list('/etc/xen/auto', soon())).toEqual([])
    expect(await made.host.list('/srv/domains', soon())).toEqual(['lpic2'])
  })

  test.each([
    ['lpic', 2],
    ['--dir=/srv --lvm=vg0 lpic', 2],
    ['--dir=/srv', 127],
    ['--dir=/srv ../../etc', 127],
    ['--dir=/srv nobody', 127],
  ])('%s deletes nothing: %i', async (line, code) => {
    const made = await withGuest()
    expect(await remove(made, line)).toMatchObject({ code })
    expect(await contents(made)).toEqual(standing)
  })

  test('of a volume group: what Baton made, and what the configuration names', async () => {
    const made = await world()
    const rows = [
      { lv_name: 'lpic-disk', lv_tags: 'baton' },
      { lv_name: 'lpic-swap', lv_tags: '' },
      { lv_name: 'lpic-home', lv_tags: '' },
      { lv_name: 'lpic-other', lv_tags: '' },
      { lv_name: 'lpicx-disk', lv_tags: 'baton' },
    ].map((row) => ({ ...row, lv_size: '1', origin: '' }))
    made.host.install('lvs', async () => ok(JSON.stringify({ report: [{ lv: rows }] })))
    const removed: string[] = []
    made.host.install('lvremove', async (args) => {
      removed.push(args.at(-1) ?? '')
      return ok()
    })
    const config = "name = 'lpic'\ndisk = [ 'phy:/dev/vg0/lpic-disk,xvda2,w', 'phy:/dev/vg0/lpic-home,xvda3,w' ]\n"
    await made.host.writeFile('/etc/xen/lpic.cfg', config, soon())
    expect(await remove(made, '--lvm=vg0 lpic')).toMatchObject({ code: 0 })
    expect(removed).toEqual(['vg0/lpic-disk', 'vg0/lpic-home'])
    expect(await made.host.readFile('/etc/xen/lpic.cfg', soon())).toBeUndefined()
  })
})
