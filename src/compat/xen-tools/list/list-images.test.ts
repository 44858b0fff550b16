import { describe, expect, test } from 'vitest'
import { fakeHost } from '../../../hosts/fake/fake.ts'
import { runListImages } from './front.ts'

const soon = { signal: AbortSignal.timeout(10_000) }
const dynamic = `#
bootloader = 'pygrub'
vcpus       = '1'
memory      = '256'
name        = 'lpic'
dhcp        = 'dhcp'
vif         = [ 'mac=00:16:3E:38:9B:05' ]
`
const fixed = `memory = '512'
name = 'web'
vif = [ 'ip=192.168.1.5 ,mac=00:16:3E:38:9B:06' ]
`

async function listed(words: readonly string[], files: Readonly<Record<string, string>>) {
  const host = fakeHost()
  for (const [path, text] of Object.entries(files)) await host.writeFile(path, text, soon)
  return await runListImages(host, words, soon)
}

describe('xen-list-images', () => {
  test('each configuration is told, with a blank line between, as 4.9.2 tells it', async () => {
    const files = {
      '/etc/xen/web.cfg': fixed,
      '/etc/xen/lpic.cfg': dynamic,
      '/etc/xen/xl.conf': 'x',
      '/etc/xen/a.cfg~': 'x',
    }
    expect(await listed([], files)).toEqual({
      stdout:
        'Name: lpic\nMemory: 256 MB\nConfig: /etc/xen/lpic.cfg\n\nName: web\nMemory: 512 MB\nIP: 192.168.1.5\nConfig: /etc/xen/web.cfg\n',
      stderr: '',
      code: 0,
    })
  })

  test('what is written in double quotes is seen as dynamic', async () => {
    const { stdout } = await listed([], { '/etc/xen/a.cfg': 'name="a"\ndhcp = "dhcp"\nmac=\'00:11\'\n' })
    expect(stdout).toBe('Name: a\nMemory: 0 MB\nDHCP [MAC: 00:11]\nConfig: /etc/xen/a.cfg\n')
  })

  test.each([
    [['--test', '/srv'], '/srv/b.cfg'],
    [['--test=/srv'], '/srv/b.cfg'],
    [['-t', '/srv'], '/srv/b.cfg'],
    [['--ext=.conf', '--test=/srv'], '/srv/c.conf'],
  ])('%j looks at %s', async (words, path) => {
    const { stdout } = await listed(words, { '/srv/b.cfg': 'name="b"', '/srv/c.conf': 'name="c"' })
    expect(stdout.match(/Config: .*/g)).toEqual([`Config: ${path}`])
  })

  test("the tools' own file names the extension", async () => {
    const files = {
      '/etc/xen-tools/xen-tools.conf': '# x\nextension = .xl # mine\n',
      '/etc/xen/a.cfg': '',
      '/etc/xen/b.xl': '',
    }
    expect((await listed([], files)).stdout).toContain('/etc/xen/b.xl')
    expect((await listed([], files)).stdout).not.toContain('a.cfg')
  })

  test.each([
    [['--bogus'], { stdout: '', stderr: 'Unknown option: bogus\n', code: 0 }],
    [['--version'], { stdout: 'xen-list-images release 4.9.2\n', stderr: '', code: 0 }],
  ])('%j', async (words, outcome) => {
    expect(await listed(words, {})).toEqual(outcome)
  })
})
