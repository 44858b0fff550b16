import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { readServed, servedServices } from './served-services.ts'

async function withFile<T>(text: string, body: (file: string) => Promise<T>, name = 'baton.yaml'): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'baton-served-'))
  try {
    const file = join(directory, name)
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

  test('an ldirectord.cf is known by what stands in it, and served', async () => {
    await withFile(
      'virtual=10.0.0.1:80\n    real=localhost:80 masq\n    checktype=connect\n',
      async (file) => {
        const { services, diagnostics } = await servedServices(file)
        expect(diagnostics).toEqual([])
        expect(services?.services).toMatchObject([
          { name: 'tcp-10-0-0-1-80', servers: [{ address: '127.0.0.1', port: 80 }], onFailure: 'remove' },
        ])
      },
      'services.cf',
    )
  })

  test('what is wrong with an ldirectord.cf, or with what the engine can do, is said by line', async () => {
    const block = (method: string): string => `virtual=10.0.0.1:80\n    real=10.0.0.2:80 ${method}\n`
    await withFile(
      `fork=maybe\n${block('nat')}`,
      async (file) => {
        const { services, diagnostics, error } = await servedServices(file)
        expect(services).toBeUndefined()
        expect(diagnostics.map(({ line }) => line)).toEqual([1, 3])
        expect(error).toMatchObject({ code: 'invalid', hint: `baton import ${file} names them` })
      },
      'services.cf',
    )
    await withFile(
      block('gate'),
      async (file) => {
        expect((await servedServices(file, 'userspace')).diagnostics).toMatchObject([
          { severity: 'error', file, line: 1 },
        ])
        expect((await servedServices(file, 'fake')).services?.services).toHaveLength(1)
      },
      'services.cf',
    )
  })

  test('a large ldirectord.cf is read in a thread, with the same result', async () => {
    const virtuals = Array.from({ length: 1500 }, (_, at) =>
      [
        `virtual=10.0.${at >> 8}.${at & 255}:80`,
        '    real=10.1.0.1->10.1.0.2:80 masq',
        '    # and a comment on it'.repeat(2),
        '',
      ].join('\n'),
    )
    await withFile(
      virtuals.join('\n'),
      async (file) => {
        const served = await servedServices(file)
        expect(served.services?.services).toHaveLength(1500)
      },
      'services.cf',
    )
  }, 60_000)

  test('a file that is not there is an error, not a crash', async () => {
    expect((await servedServices('/no/such/file.yaml')).error).toMatchObject({ code: 'not-found' })
  })
})
