import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { localHost } from '../../hosts/local/local.ts'
import { parseChecksum } from './checksum.ts'
import { convertDiskFile, createDiskFile, resizeDiskFile } from './disk-files.ts'
import { download } from './download.ts'
import type { ImageSpec } from './image.ts'
import { imageStore } from './store.ts'

const soon = (): AbortSignal => AbortSignal.timeout(60_000)
const content = randomBytes(3_000_000)
const sha = (algorithm: string, bytes: Uint8Array): string => createHash(algorithm).update(bytes).digest('hex')
const sha256 = sha('sha256', content)

type Serve = (request: IncomingMessage, response: ServerResponse, attempt: number) => void

/** A server of images on loopback, and a machine with a cache of its own. */
async function openWorld(serve: Serve) {
  const root = await mkdtemp(join(tmpdir(), 'baton-download-'))
  const host = localHost({ directories: { runtime: `${root}/run`, state: `${root}/state`, cache: `${root}/cache` } })
  const asked: (string | undefined)[] = []
  const server = createServer((request, response) => {
    asked.push(request.headers.range)
    serve(request, response, asked.length)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = (path: string): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}/${path}`
  const said: string[] = []
  return {
    root,
    host,
    asked,
    said,
    url,
    fetch: (hex = sha256) =>
      download(host, url('disk.raw'), parseChecksum(hex) ?? { algorithm: 'sha256', hex }, {
        signal: soon(),
        progress: (text) => said.push(text),
        restMs: 1,
      }),
    kept: async () => (await readdir(`${root}/cache/downloads`)).sort(),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      await rm(root, { recursive: true, force: true })
    },
  }
}

const rangeOf = ({ headers }: IncomingMessage): number => Number(/^bytes=(\d+)-$/.exec(headers.range ?? '')?.[1] ?? 0)

/** As a server does that can begin in the middle; `until`: it is cut there. */
function serveFrom(request: IncomingMessage, response: ServerResponse, until = content.length, bytes = content): void {
  const start = rangeOf(request)
  if (start >= bytes.length) return void response.writeHead(416, { 'content-range': `bytes */${bytes.length}` }).end()
  const part = start > 0 ? { 'content-range': `bytes ${start}-${bytes.length - 1}/${bytes.length}` } : {}
  response.writeHead(start > 0 ? 206 : 200, { ...part, 'content-length': bytes.length - start })
  if (until >= bytes.length) return void response.end(bytes.subarray(start))
  response.write(bytes.subarray(start, until), () => response.destroy())
}

describe('a download', () => {
  test('comes whole, and goes with its holder', async () => {
    await using world = await openWorld((request, response) => serveFrom(request, response))
    {
      await using file = await world.fetch()
      expect(sha('sha256', await readFile(file.path))).toBe(sha256)
    }
    expect(await world.kept()).toEqual([])
    expect(world.said).toContain('fetching it: 100% of 2 MiB')
  })

  test('that is cut goes on where it broke off', async () => {
    await using world = await openWorld((request, response, attempt) =>
      serveFrom(request, response, attempt === 3 ? undefined : attempt * 1_000_000),
    )
    await using file = await world.fetch()
    expect(sha('sha256', await readFile(file.path))).toBe(sha256)
    expect(world.asked).toHaveLength(3)
    expect(world.asked.slice(1).every((range) => /^bytes=[1-9]\d*-$/.test(range ?? ''))).toBe(true)
  })

  test('begins anew with a server that cannot begin in the middle', async () => {
    await using world = await openWorld((request, response, attempt) => {
      if (attempt === 1) return serveFrom(request, response, 1_000_000)
      response.writeHead(200, { 'content-length': content.length }).end(content)
    })
    await using file = await world.fetch()
    expect(sha('sha256', await readFile(file.path))).toBe(sha256)
  })

  test('that never comes to its end says so, keeps what is there, and the next call goes on', async () => {
    let isWell = false
    await using world = await openWorld((request, response, attempt) => {
      if (isWell || attempt === 1) return serveFrom(request, response, isWell ? undefined : 1_000_000)
      response.writeHead(503).end()
    })
    await expect(world.fetch()).rejects.toMatchObject({ code: 'unreachable', hint: expect.stringContaining('goes on') })
    expect(await world.kept()).toEqual([`${sha256}.part`])
    const tries = world.asked.length
    isWell = true
    await using file = await world.fetch()
    expect(sha('sha256', await readFile(file.path))).toBe(sha256)
    expect(world.asked.slice(tries)).toEqual([expect.stringMatching(/^bytes=[1-9]\d*-$/)])
  })

  test('with another checksum is refused, and nothing of it is kept', async () => {
    await using world = await openWorld((request, response) => serveFrom(request, response))
    await expect(world.fetch('0'.repeat(64))).rejects.toMatchObject({ code: 'invalid' })
    expect(await world.kept()).toEqual([])
    expect(world.asked).toHaveLength(1)
  })

  test('of which a part of something else was there is fetched anew', async () => {
    await using world = await openWorld((request, response) => serveFrom(request, response))
    await world.host.makeDirectory(`${world.root}/cache/downloads`, { signal: soon() })
    await writeFile(`${world.root}/cache/downloads/${sha256}.part`, 'an edition of last year')
    await using file = await world.fetch()
    expect(sha('sha256', await readFile(file.path))).toBe(sha256)
  })

  test('of what is not there is said at once', async () => {
    await using world = await openWorld((_request, response) => void response.writeHead(404).end())
    await expect(world.fetch()).rejects.toMatchObject({ code: 'not-found', message: expect.stringContaining('404') })
    expect(world.asked).toHaveLength(1)
  })
})

describe('an image of a URL', () => {
  const raw = Buffer.concat([content.subarray(0, 1_048_576 * 2)])
  raw.fill(0, 0, 512)
  const files = (request: IncomingMessage, response: ServerResponse): void => {
    if (request.url === '/SHA512SUMS') response.end(`${sha('sha512', raw)}  disk.raw\n`)
    else if (request.url === '/moved.raw') response.writeHead(302, { location: '/disk.raw' }).end()
    else serveFrom(request, response, undefined, raw)
  }

  test('is the image of the same file, by a checksum or by a list, and is called by a name then', async () => {
    await using world = await openWorld(files)
    const store = imageStore(world.host)
    const options = { signal: soon() }
    const spec: ImageSpec = { kind: 'url', url: world.url('moved.raw'), checksum: `sha256:${sha('sha256', raw)}` }
    const built = await store.build('cloud', spec, options)
    expect(built.disk).toMatchObject({ format: 'raw', sizeBytes: raw.length })
    await writeFile(`${world.root}/same.raw`, raw)
    expect(await store.digest({ kind: 'disk', path: `${world.root}/same.raw` }, options)).toBe(built.digest)
    const listed: ImageSpec = { kind: 'url', url: world.url('disk.raw'), checksum: world.url('SHA512SUMS') }
    const other = await store.build('listed', listed, options)
    expect(sha('sha256', await readFile(other.disk?.path ?? ''))).toBe(sha('sha256', raw))
    expect(await world.kept()).toEqual([])
    await store.give('debian', other.digest, options)
    expect(await store.build('web', { kind: 'stored', name: 'debian' }, options)).toEqual(other)
    expect(await store.delete('debian', options)).toMatchObject([{ digest: other.digest, givenNames: ['debian'] }])
    await expect(store.digest({ kind: 'stored', name: 'debian' }, options)).rejects.toMatchObject({ code: 'not-found' })
    expect((await store.list(options)).map(({ digest }) => digest)).toEqual([built.digest])
  })

  test('whose list does not have it is refused before it is fetched', async () => {
    await using world = await openWorld(files)
    const spec: ImageSpec = { kind: 'url', url: world.url('other.raw'), checksum: world.url('SHA512SUMS') }
    await expect(imageStore(world.host).build('x', spec, { signal: soon() })).rejects.toMatchObject({
      code: 'not-found',
      message: expect.stringContaining('has no checksum of other.raw'),
    })
    expect(world.asked).toHaveLength(1)
  })
})

describe('disk files', () => {
  test('are made, made larger, not cut unless that is asked for, converted, and called by a name', async () => {
    await using world = await openWorld((_request, response) => void response.end())
    const { host, root } = world
    const options = { signal: soon() }
    const path = `${root}/disk.qcow2`
    const gibibyte = 1024 ** 3
    await createDiskFile(host, { path, format: 'qcow2', sizeBytes: gibibyte }, options)
    const resize = (sizeBytes: number, shrinks = false) => resizeDiskFile(host, { path, sizeBytes, shrinks }, options)
    expect(await resize(2 * gibibyte)).toMatchObject({ virtualBytes: 2 * gibibyte })
    await expect(resize(gibibyte)).rejects.toMatchObject({ code: 'invalid', hint: expect.stringContaining('--shrink') })
    expect(await resize(gibibyte, true)).toMatchObject({ virtualBytes: gibibyte })
    const again = createDiskFile(host, { path, format: 'raw', sizeBytes: gibibyte }, options)
    await expect(again).rejects.toMatchObject({ code: 'already-exists' })
    const to = `${root}/copy.raw`
    const said: string[] = []
    const progress = (text: string): number => said.push(text)
    const made = await convertDiskFile(host, { from: path, to, format: 'raw' }, { ...options, progress })
    expect(made).toMatchObject({ format: 'raw', virtualBytes: gibibyte })
    expect(said).toContain('writing it: 100%')
    expect((await readdir(root)).filter((name) => name.includes('partial'))).toEqual([])
  })

  test('baton image add, info and remove', async () => {
    await using world = await openWorld((_request, response) => void response.end())
    const { root } = world
    const program = join(import.meta.dirname, '../../../bin/baton')
    const directories = {
      BATON_CACHE_DIR: `${root}/cache`,
      BATON_STATE_DIR: `${root}/s`,
      BATON_RUNTIME_DIR: `${root}/r`,
    }
    const baton = (...args: string[]): string =>
      execFileSync(process.execPath, [program, 'image', ...args], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe'],
        env: { ...process.env, ...directories },
      })
    await writeFile(`${root}/disk.raw`, Buffer.alloc(1_048_576))
    const wrong = `sha256:${'0'.repeat(64)}`
    expect(() => baton('add', 'empty', `${root}/disk.raw`, '--checksum', wrong)).toThrow('nothing was kept')
    baton('add', 'empty', `${root}/disk.raw`)
    expect(JSON.parse(baton('info', '--json', 'empty'))).toMatchObject({
      givenNames: ['empty'],
      disk: { format: 'raw', virtualBytes: 1_048_576 },
    })
    expect(baton('remove', 'empty')).toContain('deleted')
  })
})
