import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { operator, type Sshd, startSshd } from '../../../labs/hosts/sshd.ts'
import { eventually } from '../../../labs/net/loopback.ts'
import { isInfraError } from '../../errors.ts'
import { hostContract } from '../host.contract.ts'
import { localHost } from '../local/local.ts'
import { surveyHost } from '../survey/survey.ts'
import { openSshHost, type SshHost } from './ssh.ts'

const soon = (ms = 30_000): { signal: AbortSignal } => ({ signal: AbortSignal.timeout(ms) })

let sshd: Sshd
beforeAll(async () => {
  sshd = await startSshd()
})
afterAll(async () => {
  await sshd[Symbol.asyncDispose]()
})

function open(user: string, sudo = false, at: Sshd = sshd): Promise<SshHost> {
  return openSshHost(
    { host: '127.0.0.1', port: at.port, user },
    { name: 'hv1', sudo, environment: at.environment },
    soon(),
  )
}

/** socat serves each connection by cat(1); half-closed, it waits for the rest. */
async function listenEcho(path: string): Promise<AsyncDisposable> {
  const child = spawn('socat', ['-t', '10', `UNIX-LISTEN:${path},fork,mode=777`, 'EXEC:cat'], { stdio: 'ignore' })
  const ended = once(child, 'exit')
  await eventually('the echo listens', async () => (await stat(path).catch(() => undefined)) !== undefined)
  return {
    async [Symbol.asyncDispose]() {
      child.kill()
      await ended
    },
  }
}

for (const [name, user, sudo] of [
  ['ssh, as root', 'root', false],
  ['ssh, as a user', operator, false],
  ['ssh, by sudo', operator, true],
] as const) {
  let host: SshHost | undefined
  afterAll(() => host?.[Symbol.asyncDispose]())
  hostContract(name, async () => {
    host ??= await open(user, sudo)
    const made = await host.run(['mktemp', '-d', `${sshd.directory}/desk/XXXXXX`], soon())
    return { host, directory: made.stdout.trim(), listenEcho, [Symbol.asyncDispose]: async () => {} }
  })
}

async function failure(failing: Promise<unknown>): Promise<{ code: string; message: string; hint: string }> {
  try {
    await failing
  } catch (error) {
    if (isInfraError(error)) return { code: error.code, message: error.message, hint: error.hint ?? '' }
    throw error
  }
  return { code: 'none', message: '', hint: '' }
}

describe('a host over SSH', () => {
  test('who is root keeps things where root does, and a user at home', async () => {
    await using root = await open(operator, true)
    expect(root.directories.state).toBe('/var/lib/baton')
    expect((await root.facts(soon())).isRoot).toBe(true)
    await using user = await open(operator)
    expect(user.directories.state).toBe(`${sshd.directory}/home/.local/state/baton`)
    expect((await user.facts(soon())).isRoot).toBe(false)
  })

  test('a survey over SSH sees what one from here sees', async () => {
    await using host = await open('root')
    const [there, here] = await Promise.all([surveyHost(host, soon()), surveyHost(localHost(), soon())])
    expect(there.distribution.id).not.toBe('')
    expect({ ...there, freeBytes: 0 }).toEqual({ ...here, freeBytes: 0 })
  })

  test('more commands than sessions all run, over one connection', async () => {
    await using host = await open('root')
    const runs = Array.from({ length: 40 }, (_, at) => host.run(['sh', '-c', `echo ${at} $PPID`], soon()))
    const said = (await Promise.all(runs)).map(({ stdout }) => stdout.trim().split(' '))
    expect(said.map(([at]) => Number(at))).toEqual(Array.from({ length: 40 }, (_, at) => at))
    expect(new Set(said.map(([, parent]) => parent)).size).toBe(1)
  })

  test('a host that allows fewer sessions gets fewer', async () => {
    await using narrow = await startSshd(['MaxSessions 2'])
    await using host = await open('root', false, narrow)
    const runs = Array.from({ length: 12 }, () => host.run(['true'], soon()))
    expect((await Promise.all(runs)).map(({ code }) => code)).toEqual(Array(12).fill(0))
  })

  test('arguments arrive as they are, whatever the shell', async () => {
    await using host = await open('root')
    const args = ['a b', "it's", '"$HOME"', 'back\\slash', 'new\nline', '', '*', '!x', 'ü']
    const { stdout } = await host.run(['printf', '[%s]', ...args], soon())
    expect(stdout).toBe(args.map((arg) => `[${arg}]`).join(''))
    const { stdout: said } = await host.run(['sh', '-c', 'pwd; echo "$ONE"'], {
      directory: '/usr',
      environment: { ONE: "1 '2' $3" },
      ...soon(),
    })
    expect(said).toBe("/usr\n1 '2' $3\n")
  })

  test('bytes come back as they were, a mebibyte of them', async () => {
    await using host = await open('root')
    const bytes = new Uint8Array(1024 * 1024).map((_, at) => (at * 7919) >> 5)
    const path = `${sshd.directory}/desk/bytes`
    await host.writeFile(path, bytes, soon())
    expect(Buffer.compare((await host.readFile(path, soon())) ?? new Uint8Array(), bytes)).toBe(0)
  })

  test('a written file keeps its mode and owner, and leaves nothing beside it', async () => {
    await using host = await open(operator, true)
    const path = `${sshd.directory}/desk/kept/file`
    await host.writeFile(path, 'one', { mode: 0o640, ...soon() })
    await host.run(['chown', '4242', path], soon())
    await host.writeFile(path, 'two', soon())
    expect((await host.run(['stat', '-c', '%a %u', path], soon())).stdout).toBe('640 4242\n')
    expect(await host.list(`${sshd.directory}/desk/kept`, soon())).toEqual(['file'])
  })

  test('a cancel ends the whole group there', async () => {
    await using host = await open('root')
    const mark = `4${process.pid}.25`
    const controller = new AbortController()
    const running = failure(host.run(['sh', '-c', `sleep ${mark} & wait`], { signal: controller.signal }))
    const isThere = async (): Promise<boolean> => (await host.run(['pgrep', '-fx', `sleep ${mark}`], soon())).code === 0
    await eventually('it sleeps', isThere)
    controller.abort()
    expect((await running).code).toBe('cancelled')
    await eventually('it has ended', async () => !(await isThere()))
  })

  test('killed by a signal is 128 and its number', async () => {
    await using host = await open('root')
    expect((await host.run(['sh', '-c', 'kill -KILL $$'], soon())).code).toBe(137)
  })

  test('a lost connection names the step that it hit; the next call connects anew', async () => {
    await using host = await open('root')
    const running = failure(host.run(['sleep', '60'], soon()))
    await eventually('it sleeps', async () => (await host.run(['pgrep', '-fx', 'sleep 60'], soon())).code === 0)
    await sshd.cut()
    expect(await running).toMatchObject({
      code: 'unreachable',
      message: 'run sleep on hv1: the connection was lost; whether it was done is not known',
    })
    expect((await host.run(['echo', 'again'], soon())).stdout).toBe('again\n')
  })

  test('a file that came short is never put in place', async () => {
    await using host = await open('root')
    const path = `${sshd.directory}/desk/short`
    await host.writeFile(path, 'whole', soon())
    const writing = failure(host.writeFile(path, new Uint8Array(64 * 1024 * 1024), soon()))
    await eventually('it is under way', async () => {
      const names = (await host.list(`${sshd.directory}/desk`, soon())) ?? []
      return names.some((name) => name.startsWith('.short.'))
    })
    await sshd.cut()
    expect((await writing).code).toBe('unreachable')
    expect(new TextDecoder().decode(await host.readFile(path, soon()))).toBe('whole')
  })

  test('a lock is let go when its holder is cut off', async () => {
    await using first = await open('root')
    await using second = await open('root')
    const path = `${sshd.directory}/desk/cut.lock`
    const held = await first.lock(path, soon())
    expect((await failure(second.lock(path, soon(300)))).code).toBe('timeout')
    await sshd.cut()
    // The second one was cut off as well, and may only learn of it by this very call.
    const taken = await second.lock(path, soon()).catch((error: unknown) => {
      if (!(isInfraError(error) && error.code === 'unreachable')) throw error
      return second.lock(path, soon())
    })
    await taken[Symbol.asyncDispose]()
    await held[Symbol.asyncDispose]()
  })
})

describe('the key of a host', () => {
  const withKnown = async (known: string, more: readonly string[] = []): Promise<Sshd['environment']> => {
    const directory = await mkdtemp(join(sshd.directory, 'known-'))
    await writeFile(join(directory, 'known_hosts'), known)
    const config = [...more, `UserKnownHostsFile ${directory}/known_hosts`, `Include ${sshd.directory}/ssh_config`]
    await writeFile(join(directory, 'config'), `${config.join('\n')}\n`)
    return { BATON_SSH_CONFIG: join(directory, 'config') }
  }
  const openWith = (environment: Sshd['environment']): Promise<SshHost> =>
    openSshHost({ host: '127.0.0.1', port: sshd.port, user: 'root' }, { environment }, soon())

  test('that is not known is refused, with the line to add', async () => {
    const refused = await failure(openWith(await withKnown('')))
    expect(refused.code).toBe('permission')
    expect(refused.message).toContain('is not a known host')
    expect(refused.hint).toContain(sshd.knownLine)
  })

  test('that is another one is refused', async () => {
    const other = sshd.knownLine.replace(/.{8}$/, 'AAAAAAAA')
    expect((await failure(openWith(await withKnown(other)))).message).toContain(
      'known_hosts:1: another machine answers',
    )
  })

  test('that is revoked is refused, also when it is known', async () => {
    const known = `${sshd.knownLine}\n@revoked ${sshd.knownLine.replace(/^\S+/, '*')}\n`
    expect((await failure(openWith(await withKnown(known)))).message).toContain('is revoked in')
  })

  test('is found under a hashed name', async () => {
    const environment = await withKnown(`${sshd.knownLine}\n`)
    const file = join(environment['BATON_SSH_CONFIG'] ?? '', '../known_hosts')
    await once(spawn('ssh-keygen', ['-q', '-H', '-f', file], { stdio: 'ignore' }), 'exit')
    expect(await readFile(file, 'utf8')).toMatch(/^\|1\|/)
    await using host = await openWith(environment)
    expect((await host.run(['true'], soon())).code).toBe(0)
  })

  test('is believed the first time when accept-new is asked for, and held to afterwards', async () => {
    const environment = await withKnown('', ['StrictHostKeyChecking accept-new'])
    await (await openWith(environment))[Symbol.asyncDispose]()
    const file = join(environment['BATON_SSH_CONFIG'] ?? '', '../known_hosts')
    expect(await readFile(file, 'utf8')).toBe(`${sshd.knownLine}\n`)
    await (await openWith(environment))[Symbol.asyncDispose]()
  })
})

describe('the way to a host', () => {
  test('an agent opens it', async () => {
    const agent = spawn('ssh-agent', ['-D', '-a', join(sshd.directory, 'agent')], { stdio: 'ignore' })
    try {
      const environment = { SSH_AUTH_SOCK: join(sshd.directory, 'agent') }
      await eventually('the agent listens', async () => {
        const add = spawn('ssh-add', ['-q', join(sshd.directory, 'client')], {
          env: { ...process.env, ...environment },
          stdio: 'ignore',
        })
        return (await once(add, 'exit'))[0] === 0
      })
      const config = join(sshd.directory, 'agent_config')
      await writeFile(config, `IdentityFile none\nUserKnownHostsFile ${sshd.directory}/known_hosts\n`)
      const destination = { host: '127.0.0.1', port: sshd.port, user: 'root' }
      await using host = await openSshHost(
        destination,
        { environment: { ...environment, BATON_SSH_CONFIG: config } },
        soon(),
      )
      expect((await host.run(['true'], soon())).code).toBe(0)
    } finally {
      agent.kill()
    }
  })

  test('a name, a jump and a proxy of ssh_config lead to it', async () => {
    const alias = `Host hv9\n  HostName 127.0.0.1\n  Port ${sshd.port}\n  User root\n  ProxyCommand socat - TCP:%h:%p\nHost *`
    await sshd.configure([alias])
    try {
      await using host = await openSshHost({ host: 'hv9' }, { environment: sshd.environment }, soon())
      expect((await host.run(['id', '-un'], soon())).stdout).toBe('root\n')
    } finally {
      await sshd.configure([])
    }
  })

  test('no key that is taken: said with what was tried', async () => {
    await using stranger = await startSshd()
    await writeFile(join(stranger.directory, 'client.pub'), '')
    const refused = await failure(open('root', false, stranger))
    expect(refused).toMatchObject({
      code: 'permission',
      message: 'connect to hv1: none of the keys was taken for user root',
    })
  })

  test('nobody listens', async () => {
    const away = { host: '127.0.0.1', port: 1, user: 'root' }
    const refused = await failure(openSshHost(away, { name: 'hv1', environment: sshd.environment }, soon()))
    expect(refused.code).toBe('unreachable')
    expect(refused.message).toContain('connect to hv1')
  })
})
