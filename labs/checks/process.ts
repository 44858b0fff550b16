/** Real servers, started privately: own configuration, own directory, a port of loopback; gone whole at the end. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { makeCertificate } from '../../test/build/servers.ts'

const execute = promisify(execFile)
const readyMs = 30_000

/** Debian's daemons are where root's path has them. */
const environment = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`, LC_ALL: 'C' }

/** A running server: its ports, and what stops it for a while as a hung machine would. */
export type Started<P> = AsyncDisposable & { readonly ports: P; pause(): void; resume(): void }

/** A directory of one server, where its configuration, data and sockets are; what runs in it is ended with it. */
type Room = AsyncDisposable & {
  readonly path: string
  /** Writes a file and says its path. */
  file(name: string, text: string | Buffer, mode?: number): Promise<string>
  certificate(): Promise<{ readonly cert: string; readonly key: string }>
  run(command: string, words: readonly string[], options?: RunOptions): Promise<string>
  /** To all processes of all programs started here. */
  signal(name: NodeJS.Signals): void
  /** Runs a program again and again until it succeeds. */
  until(command: string, words: readonly string[]): Promise<void>
  /** Starts a program in the foreground, and waits until these ports take connections. */
  start(command: string, words: readonly string[], options: RunOptions & { ports: readonly number[] }): Promise<void>
}

type RunOptions = { readonly user?: string | undefined; readonly environment?: Readonly<Record<string, string>> }

/** Starts a server in a room of its own; what it had begun is ended when it fails. */
export async function serving<P>(name: string, begin: (room: Room) => Promise<P>): Promise<Started<P>> {
  const room = await openRoom(name)
  try {
    const ports = await begin(room)
    return {
      ports,
      pause: () => room.signal('SIGSTOP'),
      resume: () => room.signal('SIGCONT'),
      [Symbol.asyncDispose]: () => room[Symbol.asyncDispose](),
    }
  } catch (error) {
    await room[Symbol.asyncDispose]()
    throw error
  }
}

async function openRoom(name: string): Promise<Room> {
  const path = await mkdtemp(join(tmpdir(), `baton-${name}-`))
  await execute('chmod', ['755', path])
  const children: ChildProcess[] = []
  const file: Room['file'] = async (name, text, mode = 0o644) => {
    const at = join(path, name)
    await writeFile(at, text, { mode })
    return at
  }
  return {
    path,
    file,
    async certificate() {
      const { cert, key } = makeCertificate()
      return { cert: await file('cert.pem', cert), key: await file('key.pem', key, 0o600) }
    },
    async run(command, words, options = {}) {
      const { stdout } = await execute(command, [...words], { timeout: 60_000, ...(await spawnOptions(path, options)) })
      return stdout
    },
    signal(name) {
      for (const child of children) signalGroup(child, name)
    },
    async until(command, words) {
      const begun = performance.now()
      for (;;)
        try {
          return void (await execute(command, [...words], { timeout: 5000, env: environment }))
        } catch (error) {
          if (performance.now() - begun > readyMs) throw error
          await sleep(50)
        }
    },
    async start(command, words, options) {
      const output: Buffer[] = []
      // A process group of its own: servers of many processes end together.
      const child = spawn(command, words, { ...(await spawnOptions(path, options)), detached: true })
      child.stdout.on('data', (data: Buffer) => output.push(data))
      child.stderr.on('data', (data: Buffer) => output.push(data))
      child.on('error', (error) => output.push(Buffer.from(String(error))))
      children.push(child)
      const begun = performance.now()
      for (const port of options.ports)
        while (!(await isOpen(port))) {
          if (child.exitCode !== null || performance.now() - begun > readyMs)
            throw new Error(`${command} does not serve port ${port}: ${Buffer.concat(output).toString().slice(-2000)}`)
          await sleep(50)
        }
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(children.map(ended))
      await rm(path, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

async function spawnOptions(cwd: string, { user, environment: more }: RunOptions) {
  const ids = user === undefined || process.getuid?.() !== 0 ? {} : await idsOf(user)
  return { cwd, env: { ...environment, ...more }, ...ids }
}

export async function idsOf(user: string): Promise<{ uid: number; gid: number }> {
  const line = (await readFile('/etc/passwd', 'utf8')).split('\n').find((line) => line.startsWith(`${user}:`))
  if (line === undefined) throw new Error(`there is no user ${user}`)
  const [, , uid, gid] = line.split(':')
  return { uid: Number(uid), gid: Number(gid) }
}

/** false when nobody of the child's group is left. */
function signalGroup({ pid }: ChildProcess, name: NodeJS.Signals): boolean {
  if (pid === undefined) return false
  try {
    return process.kill(-pid, name)
  } catch {
    return false
  }
}

/** SIGTERM for the group, and SIGKILL for who does not listen. */
async function ended(child: ChildProcess): Promise<void> {
  signalGroup(child, 'SIGTERM')
  for (let count = 0; count < 60 && signalGroup(child, 'SIGCONT'); count++) await sleep(50)
  signalGroup(child, 'SIGKILL')
}

function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' })
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}

/** Ports that nobody uses now. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer())
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve) => {
          server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port))
        }),
    ),
  )
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}
