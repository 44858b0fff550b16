/** The unit that stands in place of ldirectord's own: it is one for systemd, and what it runs does as it says. Needs the built program. */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'

const root = join(import.meta.dirname, '../../../..')
const unitText = readFileSync(join(root, 'packaging/ldirectord.service'), 'utf8')
const value = (key: string): string => new RegExp(`^${key}=(.*)$`, 'm').exec(unitText)?.[1] ?? ''

const hasAnalyze = spawnSync('systemd-analyze', ['--version']).status === 0
if (!hasAnalyze) console.log('skipped: systemd-analyze is not installed (Debian: systemd)')

function folder(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), 'bd-'))
  mkdirSync(join(path, 'bin'))
  symlinkSync(join(root, 'bin/baton'), join(path, 'bin/ldirectord'))
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) }
}

function verified(text: string): { readonly status: number | null; readonly said: string } {
  using place = folder()
  // systemd looks whether there are such programs and units.
  writeFileSync(join(place.path, 'baton-director.service'), '[Service]\nExecStart=/bin/true\n')
  const unit = join(place.path, 'ldirectord.service')
  writeFileSync(unit, text.replaceAll('/usr/sbin/ldirectord', join(place.path, 'bin/ldirectord')))
  const { status, stdout, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', unit], { encoding: 'utf8' })
  return { status, said: (stdout + stderr).replaceAll(/^.*(?<!ldirectord)\.service:.*\n/gm, '') }
}

/** Prints what comes, and lets go of the descriptors that come along: systemd-notify waits for that. */
const hear = `socket(S, AF_UNIX, SOCK_DGRAM, 0) and bind(S, sockaddr_un($ARGV[0])) or die $!;
$| = 1; while (defined recv(S, $_, 4096, 0)) { print "$_\\n" }`

describe('the unit of ldirectord', () => {
  test.skipIf(!hasAnalyze)('systemd finds nothing to say against it, and would find a mistake', () => {
    expect(verified(unitText)).toEqual({ status: 0, said: '' })
    expect(verified(unitText.replace('KillMode=', 'KilMode=')).said).toContain('KilMode')
  })

  test('what it runs stays the process that was started, says that it is ready, and ends in order', async () => {
    using place = folder()
    for (const name of ['var/run', 'var/log']) mkdirSync(join(place.path, name), { recursive: true })
    const file = join(place.path, 'web.cf')
    writeFileSync(file, 'virtual=127.0.0.1:79\n    real=127.0.0.9:9 masq\n    checktype=connect\n')
    const socket = join(place.path, 'notify')
    const heard = spawn('perl', ['-MSocket', '-e', hear, socket], { stdio: ['ignore', 'pipe', 'inherit'] })
    let said = ''
    heard.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()))
    await expect.poll(() => existsSync(socket)).toBe(true)
    const words = value('ExecStart').replace('$CONFIG_FILE', file).split(' ').slice(1)
    const daemon = spawn(process.execPath, [join(place.path, 'bin/ldirectord'), ...words], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: {
        ...process.env,
        NOTIFY_SOCKET: socket,
        BATON_LDIRECTORD_ROOT: place.path,
        BATON_RUNTIME_DIR: join(place.path, 'run'),
        BATON_STATE_DIR: join(place.path, 's'),
        BATON_CACHE_DIR: join(place.path, 'c'),
      },
    })
    try {
      const ended = new Promise<number | null>((resolve) => daemon.once('exit', resolve))
      await expect.poll(() => said, { timeout: 60_000 }).toContain('READY=1')
      expect(readFileSync(join(place.path, 'var/run/ldirectord.web.cf.pid'), 'utf8')).toBe(`${daemon.pid}\n`)
      // Twice, as when a unit of old has an ExecStop: the second changes nothing.
      daemon.kill('SIGTERM')
      daemon.kill('SIGTERM')
      expect(await ended).toBe(0)
      expect(readFileSync(join(place.path, 'var/log/ldirectord.log'), 'utf8')).toContain(
        'Purged virtual server (stop): 127.0.0.1:79',
      )
      expect(existsSync(join(place.path, 'run/director.sock'))).toBe(false)
    } finally {
      daemon.kill('SIGKILL')
      heard.kill()
    }
  })
})
