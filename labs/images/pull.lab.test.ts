/** `baton image pull` against a server on loopback: compressed disks are unpacked, what a list says is believed, and nothing else. */
import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type Baton, openBaton } from '../hello/baton.ts'

type Pulled = { readonly name: string; readonly disk: { readonly path: string; readonly format: string } }

const content = Buffer.concat([randomBytes(300_000), Buffer.alloc(1024 ** 2 - 300_000)])
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** Serves the files of a directory. */
async function serve(directory: string) {
  const server = createServer(({ url = '/' }, response) => {
    const name = readdirSync(directory).find((one) => `/${one}` === url)
    if (name === undefined) return void response.writeHead(404).end()
    response.end(readFileSync(join(directory, name)))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: (name: string): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}/${name}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

const filesOf = (baton: Baton): string[] => baton.leftovers().filter((name) => /images\/[0-9a-f]{32}\//.test(name))

test('a disk is fetched, compared and unpacked under a name; what does not fit leaves nothing', async () => {
  await using plain = openBaton()
  await using baton = openBaton(['env', `BATON_CACHE_DIR=${join(plain.directory, 'cache')}`])
  const served = join(baton.directory, 'served')
  mkdirSync(served)
  await using server = await serve(served)
  writeFileSync(join(served, 'disk.raw'), content)
  for (const [program, ending] of [['gzip', 'gz'], ['xz', 'xz']] as const) // biome-ignore format: a line
    writeFileSync(join(served, `disk.raw.${ending}`), execFileSync(program, ['-c', join(served, 'disk.raw')]))
  const sums = ['disk.raw', 'disk.raw.gz', 'disk.raw.xz'].map((name) => `${sha256(readFileSync(join(served, name)))}  ${name}\n`) // biome-ignore format: a line
  writeFileSync(join(served, 'SHA256SUMS'), sums.join(''))

  for (const [index, name] of ['disk.raw', 'disk.raw.gz', 'disk.raw.xz'].entries()) {
    const [pulled] = await baton.json<readonly Pulled[]>('image', 'pull', `ours-${index}`, server.url(name), '--checksum', server.url('SHA256SUMS')) // biome-ignore format: a line
    expect(pulled, name).toMatchObject({ name: `ours-${index}`, disk: { format: 'raw', sizeBytes: content.length } })
    expect(sha256(readFileSync(pulled?.disk.path ?? '')), name).toBe(sha256(content))
  }
  const known = filesOf(plain)
  expect(known.filter((name) => name.endsWith('disk.raw'))).toHaveLength(3)

  const refused = async (name: string, checksum: string): Promise<string> => {
    const { code, stdout, stderr } = await baton.run(
      'image',
      'pull',
      'theirs',
      server.url(name),
      '--checksum',
      checksum,
    )
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    return stderr
  }
  writeFileSync(join(served, 'cut.raw.xz'), readFileSync(join(served, 'disk.raw.xz')).subarray(0, 200_000))
  writeFileSync(join(served, 'twice.gz'), execFileSync('gzip', ['-c', join(served, 'disk.raw.xz')]))
  const digits = (name: string): string => `sha256:${sha256(readFileSync(join(served, name)))}`
  expect(await refused('disk.raw', `sha256:${'0'.repeat(64)}`)).toContain('its checksum is not')
  expect(await refused('cut.raw.xz', digits('cut.raw.xz'))).toMatch(/unpack .*cut\.raw\.xz: .*end of input/)
  expect(await refused('twice.gz', digits('twice.gz'))).toContain('is compressed, not a disk')
  expect(await refused('nothing.raw', `sha256:${'1'.repeat(64)}`)).toContain('the server answers 404')
  expect(filesOf(plain)).toEqual(known)
  expect(plain.leftovers().filter((name) => /downloads\/.|unpacked|partial/.test(name))).toEqual([])
}, 120_000)
