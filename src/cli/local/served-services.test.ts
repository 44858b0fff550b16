import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { readServed, servedServices } from './served-services.ts'

async function withFile<T>(text: string, body: (file: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'baton-served-'))
  try {
    const file = join(directory, 'baton.yaml')
    await writeFile(file, text)
    return await body(file)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

const spec = (services: number, extra = ''): string =>
  [
    'name: large',
    'services:',
    ...Array.from({ length: services }, (_, at) => {
      const address = `10.0.${at >> 8}.${at & 255}`
      return `  s${at}: { address: ${address}:80, servers: [{ address: 10.1.0.1:80 }, { address: 10.1.0.2:80 }] }`
    }),
    extra,
  ].join('\n')

describe('the services of a file', () => {
  test('a large file is read in a thread, with the same result', async () => {
    await withFile(spec(1400), async (file) => {
      const served = await servedServices(file)
      expect(served.services?.services).toHaveLength(1400)
      expect(served).toEqual(await readServed(file))
    })
  }, 60_000)

  test('what is wrong with a large file is said with its place', async () => {
    await withFile(spec(1400, '  www: { address: nowhere }'), async (file) => {
      const { services, diagnostics, error } = await servedServices(file)
      expect(services).toBeUndefined()
      expect(diagnostics.map(({ line }) => line)).toContain(1403)
      expect(error).toMatchObject({ code: 'invalid', message: `${file} has errors` })
    })
  }, 60_000)

  test('a file that is not there is an error, not a crash', async () => {
    expect((await servedServices('/no/such/file.yaml')).error).toMatchObject({ code: 'not-found' })
  })
})
