/** The system service: its unit is one for systemd, and what it runs does as the unit says. Needs the built program. */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { localHost } from '../hosts/local/local.ts'
import { directorClient } from './client.ts'

const root = join(import.meta.dirname, '../..')
const baton = join(root, 'bin/baton')
const unitText = readFileSync(join(root, 'packaging/baton-director.service'), 'utf8')
const value = (key: string): string => new RegExp(`^${key}=(.*)$`, 'm').exec(unitText)?.[1] ?? ''

const hasAnalyze = spawnSync('systemd-analyze', ['--version']).status === 0
if (!hasAnalyze) console.log('skipped: systemd-analyze is not installed (Debian: systemd)')

function folder(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), 'bu-'))
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) }
}

/** Prints what comes, and lets go of the descriptors that come along: systemd-notify waits for that. */
const hear = `socket(S, AF_UNIX, SOCK_DGRAM, 0) and bind(S, sockaddr_un($ARGV[0])) or die $!;
$| = 1; while (defined recv(S, $_, 4096, 0)) { print "$_\\n" }`

describe('the unit of the director', () => {
  test.skipIf(!hasAnalyze)('systemd finds nothing to say against it', () => {
    using place = folder()
    const unit = join(place.path, 'baton-director.service')
    // systemd looks whether there is such a program.
    writeFileSync(unit, unitText.replaceAll('/usr/bin/baton', baton))
    const { status, stdout, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', unit], { encoding: 'utf8' })
    expect({ status, said: (stdout + stderr).replaceAll(/^.*(?<!baton-director)\.service:.*\n/gm, '') }).toEqual({
      status: 0,
      said: '',
    })
  })

  test.skipIf(!hasAnalyze)('nor against that of the guests', () => {
    using place = folder()
    const unit = join(place.path, 'baton-guests.service')
    writeFileSync(unit, readFileSync(join(root, 'packaging/baton-guests.service')))
    const { status, stdout, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', unit], { encoding: 'utf8' })
    expect({ status, said: (stdout + stderr).replaceAll(/^.*(?<!baton-guests)\.service:.*\n/gm, '') }).toEqual({
      status: 0,
      said: '',
    })
  })

  test.skipIf(!hasAnalyze)('a mistake in it would be found', () => {
    using place = folder()
    const unit = join(place.path, 'baton-director.service')
    writeFileSync(unit, unitText.replaceAll('/usr/bin/baton', baton).replace('KillMode=', 'KilMode='))
    const { stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', unit], { encoding: 'utf8' })
    expect(stderr).toContain('KilMode')
  })

  test('what it runs says that it is ready, listens below 1024 and ends in order, with no more rights than the unit gives', async () => {
    using place = folder()
    const directories = { runtime: join(place.path, 'run'), state: join(place.path, 's'), cache: join(place.path, 'c') }
    const rules = join(place.path, 'ipvsadm.rules')
    writeFileSync(rules, '-A -t 127.0.0.9:79 -s rr\n-a -t 127.0.0.9:79 -r 127.0.0.1:9 -m\n')
    const socket = join(place.path, 'notify')
    const heard = spawn('perl', ['-MSocket', '-e', hear, socket], { stdio: ['ignore', 'pipe', 'inherit'] })
    let said = ''
    heard.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()))
    await expect.poll(() => existsSync(socket)).toBe(true)
    const options = ['--engine', 'userspace', '--ipvsadm-rules', rules, '--save-on-stop']
    const command = value('ExecStart').replace('/usr/bin/baton', baton).replace('$BATON_OPTIONS', options.join(' '))
    const rights = value('CapabilityBoundingSet')
      .split(' ')
      .map((name) => `+${name.replace('CAP_', '').toLowerCase()}`)
    const confined = ['--no-new-privs', `--bounding-set=-all,${rights.join()}`, `--inh-caps=-all,${rights.join()}`]
    const director = spawn('setpriv', [...confined, process.execPath, ...command.split(' ')], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: {
        ...process.env,
        NOTIFY_SOCKET: socket,
        BATON_RUNTIME_DIR: directories.runtime,
        BATON_STATE_DIR: directories.state,
        BATON_CACHE_DIR: directories.cache,
      },
    })
    try {
      const ended = new Promise<number | null>((resolve) => director.once('exit', resolve))
      await expect.poll(() => said, { timeout: 30_000 }).toContain('READY=1')
      expect(await isOpen(79, '127.0.0.9')).toBe(true)
      const control = directorClient(localHost({ directories }))
      await control.edit(
        [{ kind: 'service.delete', id: { kind: 'address', protocol: 'tcp', address: '127.0.0.9', port: 79 } }],
        {
          signal: AbortSignal.timeout(10_000),
        },
      )
      director.kill('SIGTERM')
      expect(await ended).toBe(0)
      await expect.poll(() => said).toContain('STOPPING=1')
      expect(readFileSync(rules, 'utf8')).toBe('')
      expect(readFileSync(`${rules}.bak`, 'utf8')).toContain('127.0.0.9:79')
    } finally {
      director.kill('SIGKILL')
      heard.kill()
    }
  })
})

function isOpen(port: number, address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, address)
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}
