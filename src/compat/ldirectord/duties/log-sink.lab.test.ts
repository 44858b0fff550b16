/** The system's log, through the real logger(1), heard on a socket of our own. */
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openLogSink } from './log-sink.ts'

const hear = `socket(S, AF_UNIX, SOCK_DGRAM, 0) and bind(S, sockaddr_un($ARGV[0])) or die $!;
$| = 1; while (defined recv(S, $_, 4096, 0)) { print "$_\\n" }`

test('lines go to the facility, at info, as ldirectord with its process', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'bs-'))
  const socket = join(folder, 'log')
  const heard = spawn('perl', ['-MSocket', '-e', hear, socket], { stdio: ['ignore', 'pipe', 'inherit'] })
  try {
    let said = ''
    heard.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()))
    await expect.poll(() => existsSync(socket)).toBe(true)
    {
      await using log = openLogSink({
        target: { kind: 'syslog', facility: 'local3' },
        instance: 'web.cf',
        pid: process.pid,
        now: () => new Date(),
        out: () => {},
        err: () => {},
        socket,
      })
      log.write('Added virtual server: 10.0.0.1:80')
      log.write('first\nsecond')
    }
    // 19 (local3) times 8, and 6 (info).
    await expect.poll(() => said).toMatch(/^<158>.* ldirectord\[\d+\]: Added virtual server: 10\.0\.0\.1:80$/mu)
    await expect.poll(() => said).toMatch(/ first second$/mu)
    expect(said).toContain(`ldirectord[${process.pid}]: `)
  } finally {
    heard.kill()
    rmSync(folder, { recursive: true })
  }
})
