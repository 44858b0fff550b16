/** What every Host must do: one suite for the fake and for each real one. */
import type { Duplex } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { isInfraError } from '../errors.ts'
import type { Host } from './host.ts'

export type HostUnderTest = AsyncDisposable & {
  readonly host: Host
  /** An empty directory of its own. */
  readonly directory: string
  /** Serves a unix socket on the host with an echo that ends when its client ends. */
  listenEcho(path: string): Promise<AsyncDisposable>
}

const within = (ms: number): { signal: AbortSignal } => ({ signal: AbortSignal.timeout(ms) })
const text = (bytes: Uint8Array | undefined): string | undefined =>
  bytes === undefined ? undefined : new TextDecoder().decode(bytes)

async function codeOf(failing: Promise<unknown>): Promise<string> {
  try {
    await failing
  } catch (error) {
    return isInfraError(error) ? error.code : `not an InfraError: ${String(error)}`
  }
  return 'no error'
}

async function readAll(stream: Duplex): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(Buffer.from(chunk as Uint8Array))
  return Buffer.concat(chunks).toString()
}

/** The host has the programs cat, false, sh (`sh -c 'echo oops >&2; exit 3'`) and sleep. */
export function hostContract(name: string, open: () => Promise<HostUnderTest>): void {
  describe(`host contract: ${name}`, () => {
    test('a written file is read back, and its directories are made', async () => {
      await using world = await open()
      const path = `${world.directory}/a/b/file`
      await world.host.writeFile(path, 'one', within(5000))
      await world.host.writeFile(path, 'two', within(5000))
      expect(text(await world.host.readFile(path, within(5000)))).toBe('two')
      expect(await world.host.list(`${world.directory}/a/b`, within(5000))).toEqual(['file'])
    })

    test('what is not there is undefined, not an error', async () => {
      await using world = await open()
      expect(await world.host.readFile(`${world.directory}/none`, within(5000))).toBeUndefined()
      expect(await world.host.list(`${world.directory}/none`, within(5000))).toBeUndefined()
      await world.host.remove(`${world.directory}/none`, within(5000))
    })

    test('a rename replaces a file, and moves a whole directory', async () => {
      await using world = await open()
      const { host, directory } = world
      await host.writeFile(`${directory}/new/x`, 'x', within(5000))
      await host.rename(`${directory}/new`, `${directory}/done`, within(5000))
      expect(text(await host.readFile(`${directory}/done/x`, within(5000)))).toBe('x')
      await host.writeFile(`${directory}/y`, 'y', within(5000))
      await host.rename(`${directory}/y`, `${directory}/done/x`, within(5000))
      expect(text(await host.readFile(`${directory}/done/x`, within(5000)))).toBe('y')
      expect(await host.list(directory, within(5000))).toEqual(['done'])
      expect(await codeOf(host.rename(`${directory}/none`, `${directory}/z`, within(5000)))).toBe('not-found')
    })

    test('a removed directory is gone with all that was in it', async () => {
      await using world = await open()
      await world.host.makeDirectory(`${world.directory}/d/e`, within(5000))
      await world.host.writeFile(`${world.directory}/d/f`, 'f', within(5000))
      await world.host.remove(`${world.directory}/d`, within(5000))
      expect(await world.host.list(world.directory, within(5000))).toEqual([])
    })

    test('a command gets its input and gives its output', async () => {
      await using world = await open()
      const result = await world.host.run(['cat'], { input: 'hello', ...within(5000) })
      expect(result).toEqual({ code: 0, stdout: 'hello', stderr: '' })
    })

    test('a failing command is a value', async () => {
      await using world = await open()
      expect((await world.host.run(['false'], within(5000))).code).toBe(1)
      const heard: string[] = []
      const result = await world.host.run(['sh', '-c', 'echo oops >&2; exit 3'], {
        onStderr: (line) => heard.push(line),
        ...within(5000),
      })
      expect(result).toEqual({ code: 3, stdout: '', stderr: 'oops\n' })
      expect(heard.join('')).toBe('oops\n')
    })

    test('a program that is not installed is named', async () => {
      await using world = await open()
      expect(await codeOf(world.host.run(['no-such-program'], within(5000)))).toBe('missing-tool')
      expect(await codeOf(world.host.spawn(['no-such-program'], within(5000)))).toBe('missing-tool')
    })

    test('a deadline ends a command, and a cancel too', async () => {
      await using world = await open()
      const begun = performance.now()
      expect(await codeOf(world.host.run(['sleep', '30'], within(50)))).toBe('timeout')
      expect(await codeOf(world.host.run(['sleep', '30'], { signal: AbortSignal.abort() }))).toBe('cancelled')
      expect(performance.now() - begun).toBeLessThan(10_000)
    })

    test('a spawned process lives on, can be asked and ended', async () => {
      await using world = await open()
      const pid = await world.host.spawn(['sleep', '30'], within(5000))
      expect(await world.host.signal(pid, 0, within(5000))).toBe(true)
      expect(await world.host.signal(pid, 'SIGKILL', within(5000))).toBe(true)
      await expect.poll(() => world.host.signal(pid, 0, within(5000)), { timeout: 5000 }).toBe(false)
    })

    test('a stream to a socket carries bytes both ways and half-closes', async () => {
      await using world = await open()
      const path = `${world.directory}/socket`
      await using _server = await world.listenEcho(path)
      const stream = await world.host.connect(path, within(5000))
      stream.end('ping')
      expect(await readAll(stream)).toBe('ping')
    })

    test('a socket that is not there is not-found', async () => {
      await using world = await open()
      expect(await codeOf(world.host.connect(`${world.directory}/none`, within(5000)))).toBe('not-found')
    })

    test('a lock lets in one at a time, and the next when it is released', async () => {
      await using world = await open()
      const path = `${world.directory}/lock`
      const seen: string[] = []
      const first = await world.host.lock(path, within(5000))
      const second = world.host.lock(path, within(5000)).then((lock) => {
        seen.push('second')
        return lock
      })
      expect(await codeOf(world.host.lock(path, within(60)))).toBe('timeout')
      seen.push('released')
      await first[Symbol.asyncDispose]()
      await (await second)[Symbol.asyncDispose]()
      expect(seen).toEqual(['released', 'second'])
    })

    test('a lock whose file the holder removes still lets in one at a time', async () => {
      await using world = await open()
      const path = `${world.directory}/lock`
      let inside = 0
      let most = 0
      const visit = async (): Promise<void> => {
        await using _lock = await world.host.lock(path, within(10_000))
        inside += 1
        most = Math.max(most, inside)
        await new Promise((resolve) => setImmediate(resolve))
        await world.host.remove(path, within(5000))
        inside -= 1
      }
      await Promise.all(Array.from({ length: 8 }, visit))
      expect(most).toBe(1)
    })

    test('facts say what the machine is', async () => {
      await using world = await open()
      const facts = await world.host.facts(within(5000))
      expect(facts.cpus).toBeGreaterThan(0)
      expect(facts.memoryBytes).toBeGreaterThan(facts.availableMemoryBytes - 1)
      expect(facts.architecture).toMatch(/^(x86_64|aarch64)$/)
      expect(facts.bootId).toMatch(/^[0-9a-f-]{36}$/)
    })
  })
}
