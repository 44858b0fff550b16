import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { isInfraError } from '../../errors.ts'
import { type FakeHost, fakeHost } from '../../hosts/fake/fake.ts'
import type { RunResult } from '../../hosts/host.ts'
import type { ImageSpec } from './image.ts'
import { imageStore } from './store.ts'

const within = (ms = 5000): { signal: AbortSignal } => ({ signal: AbortSignal.timeout(ms) })
const done = (stdout = ''): RunResult => ({ code: 0, stdout, stderr: '' })
const failed = (stderr: string): RunResult => ({ code: 1, stdout: '', stderr })
const images = '/var/cache/baton/images'
const kernelSpec: ImageSpec = { kind: 'kernel', kernel: '/in/vmlinuz', initrd: '/in/initrd', cmdline: 'quiet' }

async function codeOf(failing: Promise<unknown>): Promise<string> {
  const error = await failing.then(
    () => undefined,
    (error: unknown) => error,
  )
  return isInfraError(error) ? error.code : `not an InfraError: ${String(error)}`
}

/** A host with files to make images from, and the few programs that the store runs. */
async function world() {
  const host = fakeHost()
  const calls: string[] = []
  let fileTime = 1000 // files are stamped by hand: the fake keeps no times
  const read = async (path: string): Promise<Uint8Array | undefined> => host.readFile(path, within())
  host.install('sh', async (args) => {
    const paths = args.slice(3)
    const lines = ['5000']
    for (const path of paths) {
      const content = await read(path)
      if (content === undefined) return { code: 1, stdout: lines.join('\n'), stderr: `stat: ${path}: No such file` }
      lines.push(`644|${content.length} ${fileTime} ${fileTime} 1:1|${fileTime}|regular file`)
    }
    return done(lines.join('\n'))
  })
  host.install('sha256sum', async ([, , ...paths]) => {
    calls.push('sha256sum')
    const sums = await Promise.all(
      paths.map(async (path) => {
        const hash = createHash('sha256').update((await read(path)) ?? '')
        return `${hash.digest('hex')}  ${path}\0`
      }),
    )
    return done(sums.join(''))
  })
  host.install('cp', async (args, { signal }) => {
    const [from = '', to = ''] = args.slice(-2)
    calls.push(`cp ${from}`)
    const content = await read(from)
    if (content === undefined) return failed(`cp: cannot stat '${from}'`)
    await new Promise((resolve) => setTimeout(resolve, 5))
    await host.writeFile(to, content, { signal })
    return done()
  })
  host.install('du', async () => done('12\t/x'))
  await host.writeFile('/in/vmlinuz', 'kernel', within())
  await host.writeFile('/in/initrd', 'initrd', within())
  return {
    host,
    calls,
    store: imageStore(host, () => new Date('2026-01-02T03:04:05Z')),
    /** At a later time, or as late as the test says: the fake host's clock stands at 5000. */
    change: async (path: string, content: string, at = fileTime + 1) => {
      fileTime = at
      await host.writeFile(path, content, within())
    },
  }
}

async function inCache(host: FakeHost): Promise<readonly string[]> {
  return (await host.list(images, within())) ?? []
}

describe('image store', () => {
  test('a built image has its files under its digest, and nothing else is left', async () => {
    const { host, store } = await world()
    const built = await store.build('k', kernelSpec, within())
    expect(built).toEqual({
      digest: await store.digest(kernelSpec, within()),
      kernel: `${images}/${built.digest}/vmlinuz`,
      initrd: `${images}/${built.digest}/initrd`,
      cmdline: 'quiet',
    })
    expect(new TextDecoder().decode(await host.readFile(built.kernel ?? '', within()))).toBe('kernel')
    expect(await inCache(host)).toEqual([built.digest, 'file-digests.json'])
    expect(await store.find(built.digest, within())).toEqual(built)
  })

  test('an image that is there is not built again, and its files are not hashed again', async () => {
    const { store, calls } = await world()
    const first = await store.build('k', kernelSpec, within())
    calls.length = 0
    expect(await store.build('k', kernelSpec, within())).toEqual(first)
    expect(calls).toEqual([])
  })

  test('builds at once make the image once', async () => {
    const { host, store, calls } = await world()
    const others = imageStore(host)
    const built = await Promise.all([
      store.build('a', kernelSpec, within()),
      others.build('b', kernelSpec, within()),
      others.build('c', kernelSpec, within()),
    ])
    expect(new Set(built.map(({ digest }) => digest)).size).toBe(1)
    expect(calls.filter((call) => call === 'cp /in/vmlinuz')).toHaveLength(1)
    expect(await inCache(host)).toHaveLength(2)
  })

  test('a change of a file is another image, and the old one stays as it was', async () => {
    const { host, store, change } = await world()
    const first = await store.build('k', kernelSpec, within())
    await change('/in/vmlinuz', 'newer!')
    const second = await store.build('k', kernelSpec, within())
    expect(second.digest).not.toBe(first.digest)
    expect(new TextDecoder().decode(await host.readFile(first.kernel ?? '', within()))).toBe('kernel')
    expect((await store.list(within())).map(({ name }) => name)).toEqual(['k', 'k'])
  })

  test('a file that changes while it is copied gives no image', async () => {
    const { host, store, change } = await world()
    host.install('cp', async () => {
      await change('/in/vmlinuz', 'other')
      return done()
    })
    expect(await codeOf(store.build('k', kernelSpec, within()))).toBe('busy')
    expect(await inCache(host)).toEqual(['file-digests.json'])
  })

  test('a failed build leaves nothing, and the next one is made', async () => {
    const { host, store } = await world()
    const cancel = new AbortController()
    host.install('cp', async (_args, { signal }) => {
      cancel.abort()
      signal.throwIfAborted()
      return done()
    })
    await expect(store.build('k', kernelSpec, { signal: cancel.signal })).rejects.toThrow()
    expect(await inCache(host)).toEqual(['file-digests.json'])
    host.install('cp', async ([, , , , to = '']) => {
      await host.writeFile(to, 'x', within())
      return done()
    })
    await store.build('k', kernelSpec, within())
  })

  test('what a killed build left is not an image, and the next build of any image takes it away', async () => {
    const { host, store } = await world()
    const digest = await store.digest(kernelSpec, within())
    const stranger = 'f'.repeat(32)
    for (const left of [`.${digest}.00ff.partial`, `.${stranger}.00ff.partial`])
      await host.writeFile(`${images}/${left}/image/vmlinuz`, 'half', within())
    expect(await store.find(digest, within())).toBeUndefined()
    expect(await store.list(within())).toEqual([])
    await store.build('k', kernelSpec, within())
    expect(await inCache(host)).toEqual([digest, 'file-digests.json'])
  })

  test('what another builder is at work on is left alone', async () => {
    const { host, store } = await world()
    const other = 'e'.repeat(32)
    await host.writeFile(`${images}/.${other}.00ff.partial/image/vmlinuz`, 'half', within())
    await using _held = await host.lock(`${images}/.${other}.lock`, within())
    await store.build('k', kernelSpec, within())
    expect(await inCache(host)).toContain(`.${other}.00ff.partial`)
  })

  test('who waits for another build is told so', async () => {
    const { host, store } = await world()
    const digest = await store.digest(kernelSpec, within())
    const heard: string[] = []
    const held = await host.lock(`${images}/.${digest}.lock`, within())
    const built = store.build('k', kernelSpec, { ...within(), onProgress: (text) => heard.push(text) })
    await expect.poll(() => heard).toEqual(['waiting for another build of k'])
    await held[Symbol.asyncDispose]()
    await built
  })

  test('the list says names, kind, size, times and users', async () => {
    const { host, store } = await world()
    const { digest } = await store.build('a', kernelSpec, within())
    await store.build('b', kernelSpec, within())
    await host.writeFile('/var/lib/baton/guests/g1/definition.json', JSON.stringify({ image: digest }), within())
    const at = '2026-01-02T03:04:05.000Z'
    expect(await store.list(within())).toEqual([
      {
        digest,
        name: 'b',
        names: ['a', 'b'],
        kind: 'kernel',
        sizeBytes: 12 * 1024,
        builtAt: at,
        usedAt: at,
        givenNames: [],
        usedBy: ['g1'],
      },
    ])
  })

  test('the time of use follows to the hour', async () => {
    const { host } = await world()
    let now = new Date('2026-01-02T03:00:00Z')
    const store = imageStore(host, () => now)
    await store.build('a', kernelSpec, within())
    now = new Date('2026-01-02T03:59:00Z')
    await store.build('a', kernelSpec, within())
    expect((await store.list(within()))[0]?.usedAt).toBe('2026-01-02T03:00:00.000Z')
    now = new Date('2026-01-02T04:01:00Z')
    await store.build('a', kernelSpec, within())
    expect((await store.list(within()))[0]?.usedAt).toBe('2026-01-02T04:01:00.000Z')
  })

  test('an image is deleted by name, by digest and by the beginning of its digest', async () => {
    const { host, store } = await world()
    for (const reference of [(d: string) => d, (d: string) => d.slice(0, 4), () => 'k']) {
      const { digest } = await store.build('k', kernelSpec, within())
      expect((await store.delete(reference(digest), within())).map((image) => image.digest)).toEqual([digest])
      expect(await inCache(host)).toEqual(['file-digests.json'])
    }
  })

  test('an image that a guest stands on is not deleted, and an unknown one is said to be so', async () => {
    const { host, store } = await world()
    const { digest } = await store.build('k', kernelSpec, within())
    await host.writeFile('/var/lib/baton/guests/g1/definition.json', JSON.stringify({ image: digest }), within())
    expect(await codeOf(store.delete('k', within()))).toBe('busy')
    expect(await codeOf(store.delete('nothing', within()))).toBe('not-found')
    expect(await codeOf(store.delete(digest.slice(0, 3), within()))).toBe('not-found')
    expect(await store.find(digest, within())).toBeDefined()
  })
})

describe('image digest', () => {
  test('the same inputs give the same digest on another host', async () => {
    const [one, two] = [await world(), await world()]
    expect(await one.store.digest(kernelSpec, within())).toBe(await two.store.digest(kernelSpec, within()))
    expect(await one.store.digest({ kind: 'tiny' }, within())).toBe(await two.store.digest({ kind: 'tiny' }, within()))
  })

  test('the order of packages does not matter, everything else does', async () => {
    const { store } = await world()
    const base = {
      kind: 'debootstrap',
      suite: 'bookworm',
      packages: ['a', 'b'],
      files: { '/f': '/in/initrd' },
    } as const
    const digest = (change: Partial<Extract<ImageSpec, { kind: 'debootstrap' }>>): Promise<string> =>
      store.digest({ ...base, ...change }, within())
    expect(await digest({ packages: ['b', 'a'] })).toBe(await digest({}))
    const others = await Promise.all([
      digest({}),
      digest({ packages: ['a'] }),
      digest({ suite: 'trixie' }),
      digest({ mirror: 'http://mirror.example/debian' }),
      digest({ files: {} }),
      digest({ files: { '/g': '/in/initrd' } }),
      digest({ files: { '/f': '/in/vmlinuz' } }),
    ])
    expect(new Set(others).size).toBe(others.length)
  })

  test('a file that was written just now is hashed each time: its next change may leave its times as they are', async () => {
    const { store, change } = await world()
    await change('/in/vmlinuz', 'first.', 4999)
    const first = await store.digest(kernelSpec, within())
    await change('/in/vmlinuz', 'second', 4999)
    expect(await store.digest(kernelSpec, within())).not.toBe(first)
  })

  test('a file that is not there is named', async () => {
    const { store } = await world()
    const missing: ImageSpec = { kind: 'disk', path: '/in/none' }
    expect(await codeOf(store.digest(missing, within()))).toBe('not-found')
    await expect(store.digest(missing, within())).rejects.toThrow('/in/none')
  })

  test('a spoilt store of known hashes is only a store of known hashes', async () => {
    const { host, store } = await world()
    const digest = await store.digest(kernelSpec, within())
    await host.writeFile(`${images}/file-digests.json`, '{"/in/vmlinuz"', within())
    expect(await store.digest(kernelSpec, within())).toBe(digest)
  })
})
