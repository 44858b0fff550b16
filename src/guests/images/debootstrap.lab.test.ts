import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bootPlain } from '../../../labs/images/plain-guest.ts'
import { localHost } from '../../hosts/local/local.ts'
import type { BuiltImage, ImageSpec } from './image.ts'
import { imageStore } from './store.ts'

const buildMs = 900_000
const bootMs = 300_000

describe('image from debootstrap', { timeout: bootMs + 60_000 }, () => {
  let directory = ''
  let image: BuiltImage | undefined
  const progress: string[] = []

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'baton-debootstrap-'))
    await writeFile(join(directory, 'index.html'), 'hello from a file\n', { mode: 0o644 })
    await writeFile(join(directory, 'tool'), '#!/bin/sh\necho tool runs\n', { mode: 0o755 })
    const spec: ImageSpec = {
      kind: 'debootstrap',
      suite: 'bookworm',
      packages: ['nginx-light'],
      files: {
        '/var/www/html/index.html': join(directory, 'index.html'),
        "/opt/a b/it's a tool": join(directory, 'tool'),
      },
    }
    const host = localHost({ directories: { runtime: directory, state: directory, cache: directory } })
    const onProgress = (text: string): void => void progress.push(text)
    image = await imageStore(host).build('web', spec, { signal: AbortSignal.timeout(buildMs), onProgress })
  }, buildMs)
  afterAll(() => rm(directory, { recursive: true, force: true }))

  test('it says how far it is', () => {
    expect(progress).toContain('installing remaining packages inside the chroot...')
    expect(progress.at(-1)).toBe('writing the disk')
  })

  test('it boots, serves the file that was given, runs the tool, and ends by the power button', async () => {
    if (image === undefined) throw new Error('the image was not built')
    await using guest = await bootPlain(image, { name: 'web-1', memory: '512M' })
    await guest.says('root@web-1', bootMs)
    const answer = await fetch(`http://127.0.0.1:${guest.port}/`, { signal: AbortSignal.timeout(30_000) })
    expect(await answer.text()).toBe('hello from a file\n')
    guest.type(`"/opt/a b/it's a tool"; systemctl is-system-running --wait; echo "$(hostname -f) done"\n`)
    await guest.says('tool runs', 60_000)
    await guest.says('web-1 done', 120_000)
    expect(guest.console()).toContain('running')
    expect(guest.console()).not.toContain('degraded')
    await guest.tell('system_powerdown')
    expect(await guest.ended(90_000)).toBe(0)
  })
})
