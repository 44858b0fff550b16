import { mkdtemp, rm, stat } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { directoriesFromEnvironment } from './directories.ts'
import { type FakeCommand, fakeHost } from './fake/fake.ts'
import { hostContract } from './host.contract.ts'
import { localHost } from './local/local.ts'

hostContract('local', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'baton-host-'))
  return {
    host: localHost(),
    directory,
    async listenEcho(path) {
      const server = createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket))
      await new Promise<void>((resolve) => server.listen(path, resolve))
      return server
    },
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
  }
})

test('a file that is written anew keeps its mode, unless another is given', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'baton-mode-'))
  const path = join(directory, 'file')
  const options = { signal: AbortSignal.timeout(10_000) }
  const written = async (mode?: number): Promise<number> => {
    await localHost().writeFile(path, 'text', mode === undefined ? options : { ...options, mode })
    return (await stat(path)).mode & 0o7777
  }
  expect([await written(), await written(0o640), await written(), await written(0o600)]).toEqual([
    0o644, 0o640, 0o640, 0o600,
  ])
  await rm(directory, { recursive: true })
})

const untilAborted: FakeCommand = (_args, { signal }) =>
  new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve({ code: 143, stdout: '', stderr: '' }), { once: true })
  })

hostContract('fake', async () => {
  const host = fakeHost()
  host.install('cat', async (_args, { input }) => ({ code: 0, stdout: String(input), stderr: '' }))
  host.install('false', async () => ({ code: 1, stdout: '', stderr: '' }))
  host.install('sleep', untilAborted)
  host.install('sh', async (_args, { onStderr }) => {
    onStderr?.('oops\n')
    return { code: 3, stdout: '', stderr: 'oops\n' }
  })
  await host.makeDirectory('/test', { signal: AbortSignal.timeout(1000) })
  return {
    host,
    directory: '/test',
    async listenEcho(path) {
      const listener = host.listen(path, (stream) => stream.pipe(stream))
      return { [Symbol.asyncDispose]: async () => listener[Symbol.dispose]() }
    },
    [Symbol.asyncDispose]: async () => {},
  }
})

describe('directories', () => {
  test.each([
    { name: 'root', environment: { HOME: '/root' }, uid: 0, runtime: '/run/baton', state: '/var/lib/baton' },
    {
      name: 'a user with a session',
      environment: { HOME: '/home/ann', XDG_RUNTIME_DIR: '/run/user/7' },
      uid: 7,
      runtime: '/run/user/7/baton',
      state: '/home/ann/.local/state/baton',
    },
    {
      name: 'a user without one',
      environment: { HOME: '/home/ann' },
      uid: 7,
      runtime: '/tmp/baton-7',
      state: '/home/ann/.local/state/baton',
    },
    {
      name: 'what the environment says',
      environment: { BATON_RUNTIME_DIR: '/r', BATON_STATE_DIR: '/s' },
      uid: 0,
      runtime: '/r',
      state: '/s',
    },
  ])('$name', ({ environment, uid, runtime, state }) => {
    expect(directoriesFromEnvironment(environment, uid)).toMatchObject({ runtime, state })
  })
})

describe('a backlog that is widened', () => {
  test('is that of the listening socket on the port, and of no other', async () => {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, resolve))
    const address = server.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    const soon = { signal: AbortSignal.timeout(5000) }
    expect(await localHost().widenBacklog(process.pid, [port], 123, soon)).toBe(1)
    const listening = await localHost().run(['ss', '-Hltn', `sport = :${port}`], soon)
    expect(listening.stdout.split(/\s+/)[2]).toBe('123') // Send-Q of a listening socket is its backlog
    expect(await localHost().widenBacklog(process.pid, [1], 5, soon)).toBe(0)
    await new Promise((resolve) => server.close(resolve))
  })
})
