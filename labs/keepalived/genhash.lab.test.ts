/** genhash and `baton genhash` on the same server: the same words, the same codes. */
import { execFile } from 'node:child_process'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { isThere } from './here.ts'

const program = join(import.meta.dirname, '../../bin/baton')

type Ended = { readonly code: number; readonly stdout: string }

function run(command: string, ...words: readonly string[]): Promise<Ended> {
  return new Promise((resolve) =>
    execFile(command, words, { timeout: 30_000 }, (error, stdout) =>
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout }),
    ),
  )
}

test.skipIf(!isThere)(
  'the same is printed of the same page',
  async () => {
    const asked: string[] = []
    const server = createServer(({ url, headers, httpVersion }, response) => {
      asked.push(JSON.stringify([url, headers, httpVersion]))
      response.sendDate = false
      response.statusCode = url === '/missing' ? 404 : 200
      // A length, so that nothing is chunked.
      const page = url === '/empty' ? '' : `page ${url ?? ''} ${'x'.repeat(200)}\n`
      response.setHeader('content-length', Buffer.byteLength(page))
      response.setHeader('connection', 'close')
      response.end(page)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    try {
      const { port } = server.address() as AddressInfo
      const at = ['-s', '127.0.0.1', '-p', String(port)]
      const calls: readonly (readonly string[])[] = [
        [...at, '-u', '/a'],
        [...at, '-u', '/missing', '-P', '1.1', '-V', 'shop.example'],
        [...at, '-u', '/empty', '-P', '1.0c'],
        [...at, '-u', '/b', '-v'],
        ['-s', '127.0.0.1', '-p', '1', '-u', '/'],
      ]
      for (const words of calls) {
        const untimed = ({ code, stdout }: Ended): Ended => ({
          code,
          stdout: stdout.replace(/= \d+ usecs/, '= N usecs'),
        })
        const original = untimed(await run('genhash', ...words))
        const own = untimed(await run(process.execPath, program, 'genhash', ...words))
        expect(own, words.join(' ')).toEqual(original)
      }
      // Each page was asked for twice, in the same words.
      expect(asked.filter((_, index) => index % 2 === 0)).toEqual(asked.filter((_, index) => index % 2 === 1))
      expect(asked).toHaveLength(8)
      for (const words of [['-s', 'host', '-p', '80', '-u', '/'], [...at, '-u', '/', '-P', '3'], ['-x'], []])
        expect((await run(process.execPath, program, 'genhash', ...words)).code).toBe(
          (await run('genhash', ...words)).code,
        )
    } finally {
      server.close()
    }
  },
  120_000,
)
