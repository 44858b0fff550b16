import { spawn } from 'node:child_process'
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { localHost } from '../../hosts/local/local.ts'
import type { ImageSpec } from './image.ts'
import { imageStore } from './store.ts'

const within = (ms = 60_000): { signal: AbortSignal } => ({ signal: AbortSignal.timeout(ms) })
const root = join(import.meta.dirname, '../../..')

describe('image store on a real host', () => {
  let directory = ''
  let spec: ImageSpec
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'baton-store-'))
    spec = { kind: 'kernel', kernel: join(directory, 'vmlinuz'), initrd: join(directory, 'initrd'), cmdline: '' }
    await writeFile(spec.kernel, 'kernel'.repeat(100_000))
    await writeFile(join(directory, 'initrd'), 'initrd'.repeat(100_000))
    // A slow cp, so that kills come in the middle of a build.
    await writeFile(join(directory, 'cp'), '#!/bin/sh\necho cp >&2\nsleep 0.3\nexec /bin/cp "$@"\n')
    await chmod(join(directory, 'cp'), 0o755)
  })
  afterAll(() => rm(directory, { recursive: true, force: true }))

  const startBuild = (cache: string) => {
    const child = spawn(
      process.execPath,
      ['--import', 'tsx', join(root, 'labs/images/build.ts'), JSON.stringify(spec)],
      {
        cwd: root,
        env: { ...process.env, PATH: `${directory}:${process.env['PATH']}`, BATON_CACHE_DIR: cache },
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    )
    let output = ''
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString()
    })
    const ended = new Promise<string>((resolve) => child.once('close', () => resolve(output)))
    return { child, ended }
  }
  const storeIn = (cache: string) =>
    imageStore(localHost({ directories: { runtime: directory, state: directory, cache } }))
  const whole = async (cache: string): Promise<void> => {
    const built = await storeIn(cache).build('lab', spec, within())
    expect((await readFile(built.kernel ?? '')).length).toBe(600_000)
    expect((await readFile(built.initrd ?? '')).length).toBe(600_000)
    const names = await readdir(join(cache, 'images'))
    expect(names.filter((name) => name !== 'file-digests.json')).toEqual([built.digest])
  }

  test('a build killed at any time leaves no half image, and the next one makes a whole one and cleans up', async () => {
    for (const [round, stage] of ['lock', 'vmlinuz', 'initrd', 'image.json'].entries()) {
      const cache = join(directory, `killed-${round}`)
      const { child, ended } = startBuild(cache)
      await seen(join(cache, 'images'), stage)
      child.kill('SIGKILL')
      await ended
      const store = storeIn(cache)
      const found = await store.find(await store.digest(spec, within()), within())
      if (found !== undefined) {
        // Killed after the image stood: what is left of the build goes with the next one, which there must be first.
        expect((await readFile(found.initrd ?? '')).length).toBe(600_000)
        await store.delete(found.digest, within())
      }
      await whole(cache)
    }
  })

  test('several processes at once make one image', async () => {
    const cache = join(directory, 'together')
    const builds = Array.from({ length: 4 }, () => startBuild(cache))
    const printed = await Promise.all(builds.map(({ ended }) => ended))
    expect(new Set(printed).size).toBe(1)
    expect(printed[0]).toContain(join(cache, 'images'))
    await whole(cache)
  })

  test('an image that is there costs milliseconds', async () => {
    const store = storeIn(join(directory, 'together'))
    const times: number[] = []
    for (let n = 0; n < 20; n += 1) {
      const begun = performance.now()
      await store.build('lab', spec, within())
      times.push(performance.now() - begun)
    }
    const median = times.sort((a, b) => a - b)[10] ?? 0
    console.log(`a cached image: ${median.toFixed(1)} ms`)
    expect(median).toBeLessThan(250)
  })
})

/** Waits until a name below this directory contains the text. */
async function seen(directory: string, text: string): Promise<void> {
  for (const deadline = performance.now() + 30_000; performance.now() < deadline; await sleep(5)) {
    const names = await readdir(directory, { recursive: true }).catch(() => [])
    if (names.some((name) => name.includes(text))) return
  }
  throw new Error(`no ${text} below ${directory}`)
}
