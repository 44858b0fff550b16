import { execFile } from 'node:child_process'
import { chmod, chown, mkdtemp, rm } from 'node:fs/promises'
import { Agent, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bootPlain, type PlainGuest } from '../../../labs/images/plain-guest.ts'
import type { BuiltImage } from './image.ts'
import { readyMark } from './tiny-init.ts'

const nobody = 65534
const bootMs = 60_000
const root = join(import.meta.dirname, '../../..')

/** Builds `tiny` with a home of its own, as a user without any right when the test has them. */
async function buildAsNobody(home: string): Promise<BuiltImage> {
  const command = [process.execPath, '--import', 'tsx', join(root, 'labs/images/build.ts'), '{"kind":"tiny"}']
  const asNobody = ['setpriv', `--reuid=${nobody}`, `--regid=${nobody}`, '--clear-groups', '--no-new-privs', ...command]
  const [program = '', ...args] = process.getuid?.() === 0 ? asNobody : command
  if (process.getuid?.() === 0) await chown(home, nobody, nobody)
  const environment = { PATH: process.env['PATH'], HOME: home, LANG: 'C' }
  const { stdout } = await promisify(execFile)(program, args, { cwd: root, env: environment, timeout: 240_000 })
  return JSON.parse(stdout) as BuiltImage
}

type Answer = { readonly status: number; readonly body: string; readonly length: string | undefined }

async function get(port: number, path: string, agent?: Agent): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port, path, timeout: 20_000, ...(agent && { agent }) }, (answer) => {
      let body = ''
      answer.setEncoding('utf8').on('data', (text: string) => {
        body += text
      })
      answer.on('end', () => {
        resolve({ status: answer.statusCode ?? 0, body, length: answer.headers['content-length'] })
      })
    })
    asked.on('timeout', () => asked.destroy(new Error('no answer in time')))
    asked.on('error', reject).end()
  })
}

describe('image tiny', () => {
  let home = ''
  let image: BuiltImage | undefined
  const boot = async (name: string, options: { memory?: string; network?: boolean } = {}): Promise<PlainGuest> => {
    if (image === undefined) throw new Error('the image was not built')
    const guest = await bootPlain(image, { name, memory: '96M', ...options })
    await guest.says(readyMark, bootMs)
    return guest
  }

  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), 'baton-nobody-'))
    await chmod(home, 0o755)
    image = await buildAsNobody(home)
  })
  afterAll(() => rm(home, { recursive: true, force: true }))

  test('it serves pages with its own name, over connections that stay open', async () => {
    await using guest = await boot('web-1')
    expect(guest.console()).toMatch(/baton: ready: web-1 serves on 10\.0\.2\.15\/24/)
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    expect(await get(guest.port, '/', agent)).toEqual({ status: 200, body: 'hello from web-1\n', length: '17' })
    expect(await get(guest.port, '/healthz', agent)).toEqual({ status: 200, body: 'ok\n', length: '3' })
    expect((await get(guest.port, '/none', agent)).status).toBe(404)
    expect(Object.values(agent.freeSockets).flat()).toHaveLength(1)
    agent.destroy()
  })

  test('no request of many at once is refused', async () => {
    await using guest = await boot('web-1')
    // As many connections as QEMU's user network takes at once (its listeners let one wait), many requests on each.
    const agent = new Agent({ keepAlive: true, maxSockets: 16 })
    const answers = await Promise.all(Array.from({ length: 1000 }, () => get(guest.port, '/', agent)))
    expect(answers.filter(({ status }) => status !== 200)).toEqual([])
    agent.destroy()
  })

  test('the power button ends it in order', async () => {
    await using guest = await boot('web-1')
    await guest.tell('system_powerdown')
    expect(await guest.ended(20_000)).toBe(0)
    expect(guest.console()).toContain('baton: poweroff')
  })

  test('Ctrl-Alt-Del restarts it, and it serves again', async () => {
    await using guest = await boot('web-1')
    const keys = ['ctrl', 'alt', 'delete'].map((data) => ({ type: 'qcode', data }))
    await guest.tell('send-key', { keys })
    await guest.says('baton: reboot', 20_000)
    await guest.says(readyMark, bootMs, 2)
    expect((await get(guest.port, '/')).status).toBe(200)
  })

  test('the console is a root shell, which comes back when it was left, and can power off', async () => {
    await using guest = await boot('web-1')
    guest.type('echo user $(id -u 2>/dev/null || echo $USER) on $(hostname); exit\n')
    await guest.says('on web-1', 20_000)
    guest.type('\n')
    await guest.says('built-in shell', 20_000, 2)
    guest.type('poweroff\n')
    expect(await guest.ended(20_000)).toBe(0)
  })

  test('it comes up without a network card, and with little memory', async () => {
    await using guest = await boot('alone', { network: false, memory: '88M' })
    expect(guest.console()).toContain('alone serves on no address yet')
    await guest.tell('system_powerdown')
    expect(await guest.ended(20_000)).toBe(0)
  })
})
