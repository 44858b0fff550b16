import { describe, expect, test } from 'vitest'
import { isInfraError } from '../../errors.ts'
import { type FakeHost, fakeHost } from '../../hosts/fake/fake.ts'
import type { HostFacts } from '../../hosts/host.ts'
import type { ImageSpec } from './image.ts'
import { imageStore } from './store.ts'

const within = (ms = 5000): { signal: AbortSignal } => ({ signal: AbortSignal.timeout(ms) })
const done = (stdout = ''): { code: number; stdout: string; stderr: string } => ({ code: 0, stdout, stderr: '' })
const failed = (stderr: string, code = 100): { code: number; stdout: string; stderr: string } => ({
  code,
  stdout: '',
  stderr,
})

type Failure = { readonly code: string; readonly message: string; readonly hint: string | undefined }

async function failureOf(host: FakeHost, spec: ImageSpec, onProgress?: (text: string) => void): Promise<Failure> {
  const options = { ...within(), ...(onProgress && { onProgress }) }
  const error = await imageStore(host)
    .build('x', spec, options)
    .catch((error: unknown) => error)
  if (isInfraError(error)) return { code: error.code, message: error.message, hint: error.hint }
  throw new Error(`not an InfraError: ${String(error)}`)
}

/** A host whose apt knows the packages, but not before its own lists were fetched when `stale`. */
function debian(options: { readonly stale?: boolean; readonly facts?: Partial<HostFacts> } = {}) {
  const host = fakeHost({ ...(options.facts && { facts: options.facts }) })
  const asked: string[] = []
  const note = (program: string, args: readonly string[]): boolean => {
    const own = args.some((arg) => arg.endsWith('/apt/apt.conf'))
    const words = args.filter((arg, at) => !/^-|=/.test(arg) && !args[at - 1]?.startsWith('-c'))
    asked.push(`${own ? 'own ' : ''}${program} ${words.slice(0, 2).join(' ')}`)
    return own || options.stale !== true
  }
  host.install('apt-cache', async (args) => {
    note('apt-cache', args)
    const name = args.at(-1)
    return done(`${name}\n  Depends: ${name === 'lighttpd' ? 'libc6' : 'linux-image-6.1.0-1-cloud-amd64'}\n`)
  })
  host.install('apt-get', async (args) =>
    note('apt-get', args) ? done() : failed('E: Failed to fetch http://x/a.deb  404  Not Found'),
  )
  host.install('find', async () => done())
  return { host, asked }
}

describe('recipe of tiny', () => {
  test('a host without apt is told what to do', async () => {
    const failure = await failureOf(fakeHost(), { kind: 'tiny' })
    expect(failure.code).toBe('missing-tool')
    expect(failure.hint).toContain('give the image a kernel and an initrd of your own')
  })

  test('an architecture without a recipe is said to be so', async () => {
    const { host } = debian({ facts: { architecture: 'riscv64' } })
    expect(await failureOf(host, { kind: 'tiny' })).toMatchObject({
      code: 'unsupported',
      message: 'image tiny is not made for riscv64',
    })
  })

  test('lists older than the archive are replaced by lists of our own', async () => {
    const { host, asked } = debian({ stale: true })
    const progress: string[] = []
    await failureOf(host, { kind: 'tiny' }, (text) => progress.push(text)) // the fake's packages are empty
    expect(asked).toEqual([
      'apt-cache depends linux-image-cloud-amd64',
      'apt-cache depends lighttpd',
      'apt-get download linux-image-6.1.0-1-cloud-amd64',
      'own apt-get update',
      'own apt-cache depends linux-image-cloud-amd64',
      'own apt-cache depends lighttpd',
      'own apt-get download linux-image-6.1.0-1-cloud-amd64',
    ])
    expect(progress).toContain('fetching the package lists')
  })

  test('no network at all is unreachable, and worth another try', async () => {
    const { host } = debian({ stale: true })
    host.install('apt-get', async () => failed('W: odd\nE: Temporary failure resolving packages.example'))
    expect(await failureOf(host, { kind: 'tiny' })).toMatchObject({
      code: 'unreachable',
      message: 'fetch the package lists: Temporary failure resolving packages.example',
    })
  })
})

describe('recipe of debootstrap', () => {
  const spec = { kind: 'debootstrap', suite: 'bookworm', packages: [], files: {} } as const

  test.each([
    { name: 'root needs two packages', isRoot: true, hint: 'apt-get install mmdebstrap e2fsprogs' },
    { name: 'others need user ids as well', isRoot: false, hint: 'apt-get install mmdebstrap e2fsprogs uidmap' },
  ])('missing tools are named with the command that installs them: $name', async ({ isRoot, hint }) => {
    const host = fakeHost({ facts: { isRoot } })
    host.install('sh', async (args) => done(args.slice(3).join('\n')))
    expect(await failureOf(host, spec)).toMatchObject({ code: 'missing-tool', hint })
  })

  test('a user without ids of its own is told how to get them', async () => {
    const host = fakeHost()
    host.install('sh', async () => done())
    host.install('unshare', async () => failed('unshare: no subuid range', 1))
    expect(await failureOf(host, spec)).toMatchObject({
      code: 'permission',
      hint: expect.stringContaining('--add-subuids'),
    })
  })

  test.each([
    { name: 'a suite that would be an option', change: { suite: '--mode=root' } },
    { name: 'a package that would be two', change: { packages: ['a,b'] } },
    { name: 'a package that would be a pattern', change: { packages: ['?essential'] } },
  ])('$name is refused', async ({ change }) => {
    expect((await failureOf(fakeHost({ facts: { isRoot: true } }), { ...spec, ...change })).code).toBe('invalid')
  })

  test.each(['relative/file', '/a/../../etc/shadow', '/directory/', '/two\nlines', '/'])(
    'the file %j in the image is refused',
    async (target) => {
      const host = fakeHost({ facts: { isRoot: true } })
      host.install('sh', async () => done('5000\n644|1 1 1 1:1|1|regular file'))
      host.install('sha256sum', async () => done(`${'0'.repeat(64)}  /in/file\0`))
      expect((await failureOf(host, { ...spec, files: { [target]: '/in/file' } })).code).toBe('invalid')
    },
  )
})
