/** A guest of QEMU reads the seed that the file gives it, and the next one when the file changes; it swaps where the file says. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { execute } from '../ebpf/world.ts'
import { type Baton, freePort, openBaton } from '../hello/baton.ts'
import { request } from './world.ts'

/** A script, since `tiny` has no cloud-init: it shows what the guest found on the disc. */
function writeFiles(baton: Baton, port: number, word: string): string {
  const file = join(baton.directory, 'baton.yaml')
  const script = `#!/bin/sh\nset -e\ncat /seed/meta-data > /www/seed\necho ${word} >> /www/seed\ngrep -c 16380 /proc/swaps >> /www/seed\n`
  writeFileSync(join(baton.directory, 'user-data.sh'), script)
  writeFileSync(
    file,
    `name: seeds
guests: { web: { image: tiny, memory: 96M, swap: 16M, cloud-init: { user-data: user-data.sh, meta-data: { from: the-file } } } }
services:
  www: { address: "127.0.0.1:${port}", servers: [{ guests: web, port: 80 }], check: { http: /healthz, every: 300ms, timeout: 2s, rise: 1 } }
`,
  )
  return file
}

async function succeed(baton: Baton, ...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await baton.run(...args)
  expect(code, `baton ${args.join(' ')}\n${stdout}${stderr}`).toBe(0)
  return stdout
}

describe('a seed on QEMU', () => {
  test('is read by its guest, is another instance when it changes, and goes with the guest', async () => {
    await using baton = openBaton()
    const port = await freePort()
    const file = writeFiles(baton, port, 'first')
    await succeed(baton, 'up', file)
    const seed = join(baton.directory, 'state/guests/web/seed.iso')
    const { stdout: probed } = await execute('blkid', ['-p', '-o', 'export', seed])
    expect(probed).toContain('TYPE=iso9660')
    expect(probed).toContain('LABEL=cidata')
    const read = async (): Promise<{ meta: unknown; word: string | undefined; swaps: string | undefined }> => {
      const [meta = '', word, swaps] = (await request({ address: '127.0.0.1', port }, '/seed')).split('\n')
      return { meta: JSON.parse(meta), word, swaps }
    }
    const first = await read()
    expect(first).toMatchObject({ word: 'first', swaps: '1', meta: { 'local-hostname': 'web', from: 'the-file' } })
    expect(await succeed(baton, 'plan', file)).not.toContain('guest.')

    writeFiles(baton, port, 'second')
    const said = await succeed(baton, 'up', '--yes', file)
    expect(said).toContain('guest.restart local/web: what cloud-init does changes')
    const second = await read()
    expect(second.word).toBe('second')
    expect(second.meta).not.toEqual(first.meta)
    await succeed(baton, 'down', file)
    expect(baton.processes()).toEqual([])
    expect(baton.leftovers().toSorted()).toEqual(['baton.yaml', 'user-data.sh'])
  }, 600_000)
})
