import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { afterAll, describe, expect, test } from 'vitest'
import { parseXml, valueAt } from '../../formats/domain-xml/document.ts'
import { kernelOfTreeinfo } from '../../guests/images/install-tree.ts'
import { decodeArchive } from '../../wire/newc.ts'
import { buildDomains } from './build.ts'
import { cloudInitFiles } from './cloud-init.ts'
import { findMedia, type Media } from './media.ts'
import { readOptions } from './options.ts'
import { Refusal } from './refusal.ts'

const directory = mkdtempSync(join(tmpdir(), 'baton-media-'))
afterAll(() => rmSync(directory, { recursive: true }))
for (const [name, content] of [['linux', 'kernel'], ['ramdisk', ''], ['ks.cfg', 'text\n']] as const) writeFileSync(join(directory, name), content) // biome-ignore format: a list to read at a glance

const call = { signal: AbortSignal.timeout(10_000) }
const place = { arch: 'x86_64', directory: '/boot', urlArgument: 'inst.repo' }
const media = (...words: readonly string[]): Promise<Media> => findMedia(readOptions(words), place, call)
const tree = ['--location', `${directory},kernel=linux,initrd=ramdisk`]

describe('what an installation boots from', () => {
  test.each([
    {
      words: ['--location', `${directory},kernal=linux`],
      says: "Unknown --location options: ['kernal']; did you mean kernel?",
    },
    { words: ['--location', `${directory},kernel=linux`], says: 'must be be specified as a pair' },
    { words: ['--location', directory], says: 'Could not find an installable distribution' },
    { words: ['--location', '/not/there'], says: 'Validating install media' },
    { words: ['--cdrom', '/not/there.iso'], says: "Validating install media '/not/there.iso' failed" },
    { words: ['--location', join(directory, 'ks.cfg')], says: 'is no ISO image' },
    { words: ['--import', '--initrd-inject', 'ks.cfg'], says: 'does not support initrd injections' },
    { words: ['--import', '--extra-args', 'quiet'], says: 'only supported with location' },
    { words: ['--cloud-init', 'user-dta=x'], says: 'did you mean user-data?' },
    { words: ['--cloud-init', 'user-data=/not/there'], says: 'cannot be read' },
    { words: ['--install', 'os=debian11'], says: '--install os=… is not supported' },
  ])('$words is refused: $says', async ({ words, says }) => {
    const refusal = expect.objectContaining({ message: expect.stringContaining(says) as string }) as Refusal
    await expect(media(...words)).rejects.toThrow(refusal)
    await expect(media(...words)).rejects.toBeInstanceOf(Refusal)
  })

  test('injected files follow the initrd as an archive of their own', async () => {
    const { files, cmdline } = await media(
      ...tree,
      '--initrd-inject',
      join(directory, 'ks.cfg'),
      '-x',
      'inst.ks=file:/ks.cfg',
    )
    const [kernel, initrd] = await Promise.all(files.map(({ content }) => content(call)))
    expect(new TextDecoder().decode(kernel)).toBe('kernel')
    expect(decodeArchive(gunzipSync(initrd ?? new Uint8Array(0)))).toMatchObject([{ path: 'ks.cfg', mode: 0o644 }])
    expect(cmdline).toBe('inst.ks=file:/ks.cfg')
  })

  test('stands in the first boot only', async () => {
    const plain = ['--name', 'a', '--memory', '512', '--osinfo', 'generic', '--disk', 'none']
    const host = {
      virtType: 'qemu',
      emulator: '/qemu',
      pc: 'pc',
      poolDirectory: () => undefined,
      names: new Set<string>(),
    } as const
    const { install = '', final } = buildDomains(readOptions([...plain, ...tree]), host, await media(...tree))
    expect(valueAt(parseXml(install), './os/kernel')).toMatch(/^\/boot\/virtinst-\w+-linux$/)
    expect(final).not.toContain('kernel')
  })
})

test('a .treeinfo names the kernel and initrd of its own architecture', () => {
  const text =
    '[general]\narch = x86_64\n[images-aarch64]\nkernel = other\n[images-x86_64]\nkernel = a/vmlinuz\ninitrd = a/initrd.img\n'
  expect(kernelOfTreeinfo(text)).toEqual({ kernel: 'a/vmlinuz', initrd: 'a/initrd.img' })
  expect(kernelOfTreeinfo('[general]\narch = x86_64\n')).toBeUndefined()
})

test('cloud-init alone makes up a password that has to be changed', () => {
  const { files, password = '' } = cloudInitFiles(undefined)
  const user = new TextDecoder().decode(files.find(({ name }) => name === 'user-data')?.content)
  expect(password).toMatch(/^[A-Za-z0-9]{16}$/)
  expect(user).toContain(`root:${password}\n  expire: True\n`)
  expect(user).toContain('cloud-init.disabled')
})
