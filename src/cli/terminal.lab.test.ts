/** The commands that draw, on a real terminal: script(1) gives each one of its own. Guests are pretended. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const launcher = join(import.meta.dirname, '../../bin/baton')
const folder = mkdtempSync(join(tmpdir(), 'baton-tty-'))
const file = join(folder, 'fake.yaml')
const environment: NodeJS.ProcessEnv = {
  ...process.env,
  TERM: 'xterm',
  BATON_RUNTIME_DIR: join(folder, 'run'),
  BATON_STATE_DIR: join(folder, 'state'),
  BATON_CACHE_DIR: join(folder, 'cache'),
}
const alternateScreen = '\u001b[?1049h'
const mainScreen = '\u001b[?1049l'
const showCursor = '\u001b[?25h'

type Session = AsyncDisposable & {
  type(text: string): void
  /** All that was written to the terminal so far. */
  text(): string
  until(wanted: string): Promise<void>
  ended(): Promise<number | null>
  /** SIGTERM to the program on the terminal. */
  terminate(): void
}

/** `size` in columns and rows, as stty takes them. */
function onTerminal(args: string, size: readonly [number, number] = [100, 30]): Session {
  const command = `stty cols ${size[0]} rows ${size[1]}; exec ${process.execPath} ${launcher} ${args}`
  const child: ChildProcess = spawn('script', ['--quiet', '--return', '--command', command, '/dev/null'], {
    cwd: folder,
    env: environment,
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  let text = ''
  child.stdout?.on('data', (data: Buffer) => {
    text += data.toString('utf8')
  })
  const end = new Promise<number | null>((resolve) => child.once('close', resolve))
  return {
    type: (keys) => void child.stdin?.write(keys),
    text: () => text,
    async until(wanted) {
      const deadline = Date.now() + 20_000
      while (!text.includes(wanted)) {
        if (Date.now() > deadline) throw new Error(`never saw ${wanted} in ${JSON.stringify(text)}`)
        await sleep(20)
      }
    },
    ended: () => end,
    terminate() {
      const { stdout } = spawnSync('ps', ['--ppid', String(child.pid), '-o', 'pid='], { encoding: 'utf8' })
      for (const pid of stdout.trim().split(/\s+/)) process.kill(Number(pid), 'SIGTERM')
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await end
    },
  }
}
function baton(...args: readonly string[]): string {
  return spawnSync(process.execPath, [launcher, ...args], { cwd: folder, env: environment, encoding: 'utf8' }).stdout
}

beforeAll(() => {
  writeFileSync(
    file,
    `name: tty
hosts: { pretend: { hypervisor: fake } }
guests: { web: { count: 2, image: tiny, memory: 64M } }
services: { www: { address: "127.0.0.1:8080", servers: [{ guests: web, port: 80 }] } }
directors: { engine: fake }
`,
  )
})
afterAll(() => {
  baton('down', file)
  rmSync(folder, { recursive: true, force: true })
})

describe('on a terminal', () => {
  test('up draws its progress in place, with colours, and gives the cursor back', async () => {
    await using session = onTerminal(`up ${file}`)
    expect(await session.ended()).toBe(0)
    expect(session.text()).toContain('\u001b[32mdone')
    expect(session.text()).toContain('/4')
    expect(session.text().lastIndexOf(showCursor)).toBeGreaterThan(session.text().lastIndexOf('\u001b[?25l'))
    expect(session.text()).toContain('end it: baton down')
  })

  test('top shows guests and servers, drains what is selected, and leaves the terminal as it was', async () => {
    await using session = onTerminal('top')
    await session.until('127.0.0.1:8080')
    expect(session.text()).toContain(alternateScreen)
    session.type('jd')
    await session.until('drain web-1: 1 server')
    await session.until('drained')
    session.type('u')
    await session.until('undrain web-1: 1 server')
    session.type('q')
    expect(await session.ended()).toBe(0)
    expect(session.text().trimEnd().endsWith(mainScreen)).toBe(true)
  })

  test('top works in a terminal of a few characters', async () => {
    await using session = onTerminal('top', [12, 3])
    await session.until('baton top')
    session.type('\u001b[B\u001b[Bq')
    expect(await session.ended()).toBe(0)
  })

  test('a terminated top still leaves the terminal as it was', async () => {
    await using session = onTerminal('top')
    await session.until('web-1')
    session.terminate()
    await session.ended()
    expect(session.text()).toContain(mainScreen)
  })

  test('status --watch goes on until q', async () => {
    await using session = onTerminal('status --watch')
    await session.until('web-2')
    session.type('q')
    expect(await session.ended()).toBe(0)
    expect(session.text()).toContain(mainScreen)
  })

  test('console: what is typed goes to the guest, Ctrl-C too, until Ctrl-]', async () => {
    await using session = onTerminal('console web-1')
    await session.until('Ctrl-] leaves it')
    session.type('hello guest')
    await session.until('hello guest')
    session.type('\u0003')
    await sleep(200)
    session.type('\u001d')
    expect(await session.ended()).toBe(0)
    expect(session.text()).toContain('left the console of web-1')
  })

  test('NO_COLOR is honoured', async () => {
    environment['NO_COLOR'] = '1'
    await using session = onTerminal('list')
    expect(await session.ended()).toBe(0)
    expect(session.text()).not.toMatch(/\p{Cc}\[\d+m/u)
  })
})
