/** Ends and upgrades of a director under load: what goes on, what is lost (nothing), and what is left (nothing). */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { beforeAll, describe, expect, test } from 'vitest'
import { eventually } from '../net/loopback.ts'
import { type Lab, openLab, port } from './lab.ts'
import { programsAt } from './packet-world.ts'
import { addresses, inNamespace } from './topology.ts'
import { execute } from './world.ts'

const root = new URL('../..', import.meta.url).pathname
const { vip, server } = addresses.ipv4

beforeAll(() => execute(process.execPath, ['scripts/build.mjs']))

/** Another edition of the program: FTP's data port is another, so its bytes are. */
async function otherEdition(): Promise<AsyncDisposable & { readonly program: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'baton-edition-'))
  for (const part of ['bin', 'dist', 'bpf', 'package.json'])
    await cp(join(root, part), join(folder, part), { recursive: true })
  await execute('ln', ['-s', join(root, 'node_modules'), join(folder, 'node_modules')])
  const header = join(folder, 'bpf/lookup.h')
  const source = await readFile(header, 'utf8')
  await writeFile(header, source.replace('#define FTP_DATA_PORT 20', '#define FTP_DATA_PORT 22222'))
  const include = ['x86_64', 'aarch64'].map((machine) => `-I/usr/include/${machine}-linux-gnu`)
  const flags = ['-O2', '-g', '-target', 'bpf', '-mcpu=v3', ...include]
  const object = join(folder, 'bpf/director.bpf.o')
  await execute('clang', [...flags, '-c', join(folder, 'bpf/director.bpf.c'), '-o', object])
  expect(await readFile(object)).not.toEqual(await readFile(join(root, 'bpf/director.bpf.o')))
  return {
    program: join(folder, 'bin/baton'),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  }
}

async function openWeb(): Promise<Lab> {
  const lab = await openLab('masq')
  await lab.ipvsadm('-A', '-t', `${vip}:${port}`, '-s', 'wlc')
  await lab.ipvsadm('-a', '-t', `${vip}:${port}`, '-r', `${server}:${port}`, '-m')
  const config = join(lab.baton.directory, 'web.cfg')
  await writeFile(
    config,
    `defaults
  mode http
  timeout client 9s
  timeout server 9s
  timeout connect 9s
frontend web
  bind :${port}
  http-request return status 200 content-type text/plain string ok
`,
  )
  lab.topology.start('server', process.env, 'haproxy', '-q', '-db', '-f', config)
  await eventually('the web server answers', () => answers(lab))
  return lab
}

async function answers({ topology }: Lab): Promise<boolean> {
  return (await topology.run('client', 'sh', '-c', `curl -s -m 1 http://${vip}:${port}/ || true`)) === 'ok'
}

function load({ topology }: Lab): Promise<string> {
  const words = ['-t', '1', '-c', '16', '-d', '8s', '-H', 'Connection: close', `http://${vip}:${port}/`]
  return topology.run('client', 'wrk', ...words)
}

function expectNoneFailed(text: string): void {
  expect(text).not.toMatch(/Socket errors|Non-2xx/u)
  expect(Number(/(\d+) requests in/u.exec(text)?.[1])).toBeGreaterThan(100)
}

const daemon = ['director', '--supervise', '--engine', 'ebpf']

/** The supervisor, and the daemon below it. */
function directors({ baton }: Lab): number[] {
  return baton.processes().filter((pid) => commandOf(pid).includes('\0director\0'))
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return '' // it has ended meanwhile
  }
}

/** In the director's network namespace, as an operator of that machine. */
async function stop({ topology, baton }: Lab, ...words: string[]): Promise<string> {
  const program = join(root, 'bin/baton')
  const child = topology.start('director', baton.environment, process.execPath, program, 'director', 'stop', ...words)
  let text = ''
  child.stdout?.setEncoding('utf8').on('data', (piece: string) => (text += piece))
  const code = await new Promise((resolve) => child.once('close', resolve))
  expect(code).toBe(0)
  return text
}

/** The number and the tag of the program that clients' packets meet: another edition has another tag. */
async function met({ topology }: Lab): Promise<string[]> {
  const programs = inNamespace(topology.name('director'), () => programsAt('veth10'))
  const shown = programs.map(async (id) => (await execute('bpftool', ['prog', 'show', 'id', String(id)])).stdout)
  return (await Promise.all(shown)).map((text) => /name director_in +tag (\w+)/u.exec(text)?.[1] ?? text)
}

function pins({ baton }: Lab): string[] {
  const folder = join(baton.environment['BATON_BPF_DIR'] ?? '', 'baton')
  return existsSync(folder) ? readdirSync(folder, { recursive: true }).map(String) : []
}

describe('the end of a director, and the next one', () => {
  test('upgraded as systemd restarts it, with another program: no request is lost, and the table is as it was', async () => {
    await using edition = await otherEdition()
    await using lab = await openWeb()
    const [table, before] = [await lab.ipvsadm('-Sn'), await met(lab)]
    const loaded = load(lab)
    await pause(1500)
    for (const pid of directors(lab)) if (commandOf(pid).includes('--supervise')) process.kill(pid, 'SIGTERM')
    await eventually('the old one has ended', () => directors(lab).length === 0)
    // Nobody attends to it.
    expect(await answers(lab)).toBe(true)
    await pause(500)
    lab.topology.start('director', lab.baton.environment, process.execPath, edition.program, ...daemon)
    await eventually('the next one serves', async () => (await lab.baton.run('ipvsadm', '-L')).code === 0, 20_000)
    expectNoneFailed(await loaded)
    expect(await lab.ipvsadm('-Sn')).toBe(table)
    expect([before, await met(lab)]).toEqual([
      [expect.stringMatching(/^\w{16}$/u)],
      [expect.stringMatching(/^\w{16}$/u)],
    ])
    expect(await met(lab)).not.toEqual(before)
  })

  test('kept on purpose, then ended without a trace by whoever finds it', async () => {
    await using lab = await openWeb()
    const loaded = load(lab)
    await pause(1000)
    expect(await stop(lab, '--keep')).toContain('its traffic goes on')
    expect(directors(lab)).toEqual([])
    expectNoneFailed(await loaded)
    expect(pins(lab).length).toBeGreaterThan(0)
    expect(await stop(lab, '--flush')).toContain('was taken away')
    expect(pins(lab)).toEqual([])
    expect(await met(lab)).toEqual([])
    expect(await answers(lab)).toBe(false)
    expect(await stop(lab)).toContain('none has left anything')
  })

  test('stopped plainly, nothing is left', async () => {
    await using lab = await openWeb()
    expect(await stop(lab)).toContain('nothing of it is left')
    expect(pins(lab)).toEqual([])
    expect(await met(lab)).toEqual([])
    expect(await answers(lab)).toBe(false)
  })

  test('killed with its supervisor: what is left goes by --flush, too', async () => {
    await using lab = await openWeb()
    for (const pid of directors(lab)) process.kill(pid, 'SIGKILL')
    await eventually('they have gone', () => directors(lab).length === 0)
    expect(await answers(lab)).toBe(true)
    expect(await stop(lab, '--flush')).toContain('was taken away')
    expect(pins(lab)).toEqual([])
    expect(await answers(lab)).toBe(false)
  })
})
