/** `baton image build --from`: an installer of our own, Linux with an init that reads its answers, makes an image; what fails leaves nothing. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { encodeDisc } from '../../src/wire/iso9660.ts'
import { encodeArchive } from '../../src/wire/newc.ts'
import { type Baton, type Ended, openBaton } from '../hello/baton.ts'
import { bootSector, messageOffset } from './boot-sector.ts'
import { tinyFiles } from './tiny.ts'

/** The answer `lab/say` becomes what the installed disk says when it boots; without one nothing is written. */
const init = `#!/bin/sh
export PATH=/bin
mount -t proc proc /proc
mount -t devtmpfs dev /dev
for module in $(cat /lib/modules/order); do insmod /lib/modules/$module.ko 2>/dev/null; done
case "$(grep lab/do /preseed.cfg | cut -d' ' -f4)" in
  wait) echo waits for a person; sleep 1000 ;;
  panic) exit 1 ;;
esac
said=$(grep lab/say /preseed.cfg | cut -d' ' -f4-)
if [ -n "$said" ]; then
  { cat /sector; } > /dev/vda
  printf '%s, %s\\r\\n\\0' "$said" "$(grep -o 'file=[^ ]*' /proc/cmdline)" | dd of=/dev/vda bs=1 seek=${messageOffset} conv=notrunc 2>/dev/null
fi
sync
poweroff -f
`

let plain: Baton
let baton: Baton
let iso: string

beforeAll(async () => {
  plain = openBaton()
  baton = openBaton(['env', `BATON_CACHE_DIR=${join(plain.directory, 'cache')}`])
  iso = join(plain.directory, 'installer.iso')
  const { kernel, initrd } = await tinyFiles(plain)
  const added = gzipSync(
    encodeArchive([
      { kind: 'file', path: 'init', mode: 0o755, content: new TextEncoder().encode(init) },
      { kind: 'file', path: 'sector', mode: 0o644, content: bootSector([], '') },
    ]),
  )
  const disc = encodeDisc('INSTALLER', [
    { name: 'linux', content: readFileSync(kernel) },
    { name: 'initrd.gz', content: Buffer.concat([readFileSync(initrd), added]) },
  ])
  writeFileSync(iso, disc)
})
afterAll(async () => {
  await baton[Symbol.asyncDispose]()
  await plain[Symbol.asyncDispose]()
})

/** '' of one that has ended. */
function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1')
  } catch {
    return ''
  }
}

function answer(...lines: readonly string[]): string {
  const file = join(baton.directory, 'answers')
  writeFileSync(file, lines.map((line) => `d-i ${line}\n`).join(''))
  return file
}

const build = (name: string, answers: string, ...options: readonly string[]): Promise<Ended> =>
  baton.run('image', 'build', name, '--from', iso, '--unattended', answers, '--size', '16M', '--memory', '96M', ...options) // biome-ignore format: a line

/** Images of the cache and everything half done. */
const kept = (): string[] => plain.leftovers().filter((name) => /images\/\.?[0-9a-f]{32}/.test(name))

test('what a disc installs is an image under its name, and boots; installed once', async () => {
  const answers = answer('lab/say string installed by its answers')
  const built = await build('golden', answers)
  expect(built.code, built.stderr).toBe(0)
  const again = await build('golden', answers)
  expect(again.code).toBe(0)
  expect(again.stderr).not.toContain('installing')

  const file = join(baton.directory, 'baton.yaml')
  writeFileSync(
    file,
    'name: lab\nimages: { ours: { stored: golden } }\nguests: { box: { image: ours, memory: 32M } }\n',
  )
  const up = await baton.run('up', file)
  expect(up.code, up.stderr).toBe(0)
  const console_ = async (): Promise<string> => (await baton.run('console', 'box', '--log')).stdout
  await expect
    .poll(console_, { timeout: 60_000, interval: 300 })
    .toContain('installed by its answers, file=/preseed.cfg')
  expect((await baton.run('down', file)).code).toBe(0)
  expect((await baton.run('image', 'delete', 'golden')).code).toBe(0)
  expect(kept()).toEqual([])
}, 240_000)

test.each([
  { what: 'that ends without a disk that boots', answers: ['lab/other string x'], says: 'nothing on its disk boots' },
  { what: 'whose kernel panics', answers: ['lab/do string panic'], says: 'its kernel panicked' },
  {
    what: 'that waits for a person',
    answers: ['lab/do string wait'],
    says: 'did not power itself off',
    timeout: '12s',
  },
])(
  'an installer $what leaves nothing',
  async ({ answers, says, timeout = '2m' }) => {
    const failed = await build('broken', answer(...answers), '--timeout', timeout)
    expect(failed.stderr).toContain(says)
    expect(failed).toMatchObject({ code: 1, stdout: '' })
    expect(kept()).toEqual([])
    expect(plain.processes()).toEqual([])
    expect(await baton.json('image', 'list')).toEqual([])
  },
  240_000,
)

test('one that is killed takes its guest along, and the next build takes away what it left', async () => {
  const [waits, says] = [answer('lab/do string wait'), 'd-i lab/say string x\n']
  const killed = build('killed', waits)
  const started = (word: string): number[] => plain.processes().filter((pid) => commandLine(pid).includes(word))
  await expect.poll(() => started('-no-reboot'), { timeout: 60_000, interval: 100 }).toHaveLength(1)
  for (const pid of started('killed')) process.kill(pid, 'SIGKILL')
  expect((await killed).code).not.toBe(0)
  await expect.poll(() => plain.processes(), { timeout: 10_000 }).toEqual([])
  writeFileSync(waits, says)
  expect((await build('after', waits)).code).toBe(0)
  expect((await baton.run('image', 'delete', 'after')).code).toBe(0)
  expect(kept()).toEqual([])
}, 240_000)

test('answers that nobody can be told of are refused before anything is made', async () => {
  const file = join(baton.directory, 'letter.txt')
  writeFileSync(file, 'please install\n')
  expect((await build('letter', file)).stderr).toContain('letter.txt is no preseed, no kickstart file')
  writeFileSync(join(baton.directory, 'empty.iso'), encodeDisc('LAB', []))
  const empty = ['image', 'build', 'x', '--from', join(baton.directory, 'empty.iso')]
  const answers = answer('lab/say string x')
  expect((await baton.run(...empty, '--unattended', answers)).stderr).toContain("no installer's kernel")
  expect((await baton.run(...empty)).stderr).toContain('empty.iso is no disc that boots')
  writeFileSync(join(baton.directory, 'nothing.iso'), '')
  const nothing = await baton.run('image', 'build', 'x', '--from', join(baton.directory, 'nothing.iso'))
  expect(nothing.stderr).toContain('nothing.iso is no disc that boots')
  expect((await baton.run('image', 'build', 'x', '--size', '1G')).stderr).toContain('--size goes with --from')
  expect(kept()).toEqual([])
}, 60_000)
