/** The program as users run it: the built bundle in a process of its own. `npm test` builds it first. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { commandTable } from './command-table.ts'
import { exitCodes } from './exit-codes.ts'
import { emptyProgram } from './program.ts'

const root = join(import.meta.dirname, '../..')
const launcher = join(root, 'bin/baton')
const isBuilt = existsSync(join(root, 'dist/baton.mjs'))
if (!isBuilt) console.warn('skipped: dist/ is not built (npm run build)')

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'baton-cli-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function baton(...args: readonly string[]): { code: number | null; stdout: string; stderr: string } {
  return batonAt(launcher, ...args)
}
function batonAt(program: string, ...args: readonly string[]): { code: number | null; stdout: string; stderr: string } {
  const environment = {
    ...process.env,
    BATON_RUNTIME_DIR: join(folder, 'run'),
    BATON_STATE_DIR: join(folder, 'state'),
    BATON_CACHE_DIR: join(folder, 'cache'),
  }
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], {
    cwd: folder,
    env: environment,
    encoding: 'utf8',
    timeout: 60_000,
  })
  return { code: status, stdout, stderr }
}
function file(name: string, text: string): string {
  writeFileSync(join(folder, name), text)
  return name
}
const fake = `
name: t
hosts: { pretend: { hypervisor: fake } }
guests: { web: { count: 2, image: tiny, memory: 64M } }
services: { www: { address: "127.0.0.1:8080", servers: [{ guests: web, port: 80 }] } }
directors: { engine: fake }
`

describe('the command table', () => {
  test.each(commandTable.map((entry) => ({ name: entry.name, entry })))(
    '$name is what its file registers',
    async ({ name, entry }) => {
      const program = emptyProgram()
      const { register } = await entry.load()
      register(program)
      expect(program.commands.map((command) => command.name())).toEqual([name])
      expect(program.commands[0]?.description()).not.toBe('')
    },
  )
})

describe.skipIf(!isBuilt)('baton', () => {
  test('--help names every command and every exit code', () => {
    const { code, stdout, stderr } = baton('--help')
    expect([code, stderr]).toEqual([exitCodes.ok, ''])
    for (const { name, summary } of commandTable) {
      expect(stdout).toContain(` ${name} `)
      expect(stdout.replaceAll(/\s+/g, ' ')).toContain(summary)
    }
    for (const exitCode of Object.values(exitCodes)) expect(stdout).toMatch(new RegExp(`^  ${exitCode} `, 'm'))
  })

  test('runs through a symbolic link, from any directory', () => {
    const link = join(folder, 'link')
    symlinkSync(launcher, link)
    expect(batonAt(link, '--version')).toEqual({ code: 0, stdout: '0.1.0\n', stderr: '' })
  })

  test.each([
    { name: 'a misspelt command has a suggestion', args: ['plna'], says: 'Did you mean plan?' },
    { name: 'a misspelt option, too', args: ['list', '--jsn'], says: 'Did you mean --json?' },
    { name: 'a missing argument is named', args: ['start'], says: "missing required argument 'guest'" },
    { name: 'an argument too many is refused', args: ['list', 'web-1'], says: 'too many arguments' },
    { name: 'a duration needs a unit', args: ['start', 'web-1', '--timeout', '5'], says: 'a duration like 90s' },
    { name: 'no command at all shows the help', args: [], says: 'Usage: baton' },
    { name: 'half a command shows its help', args: ['image'], says: 'Usage: baton image' },
  ])('$name, and the code is for wrong usage', ({ args, says }) => {
    const { code, stderr } = baton(...args)
    expect(stderr).toContain(says)
    expect(code).toBe(exitCodes.usage)
  })

  test('help for one command shows its options', () => {
    const { code, stdout } = baton('help', 'up')
    expect([code, stdout.includes('--yes')]).toEqual([exitCodes.ok, true])
  })

  test.each(['up', 'plan', 'down', 'check'])('%s without a file says what is missing', (command) => {
    const { code, stderr } = baton(command)
    expect(stderr).toBe(
      'baton: there is no baton.yaml here\nhint: name the file, as in `baton up examples/hello.yaml`\n',
    )
    expect(code).toBe(exitCodes.failed)
  })

  test('a trace is told again, also with other numbers; one that is none is refused line by line', () => {
    const state = { kind: 'healthy', sinceMs: 0, results: 4, against: 0, connectsLeft: 0, isReturning: false }
    const all: object[] = [
      { trace: 1, at: '2026-01-01T00:00:00.000Z', atMs: 0 },
      { n: 1, key: 'a tcp', began: true, config: { rise: 1, fall: 2 }, state: { ...state, changedMs: [], heldFor: 0 } },
      ...[1, 2].map((s) => ({ n: 1, event: { kind: 'failed', check: 'probe', atMs: s * 1000, detail: 'no' } })),
    ]
    const text = all.map((line) => `${JSON.stringify(line)}\n`).join('')
    const good = file('good.trace', text)
    expect(baton('replay', good)).toEqual({
      code: exitCodes.ok,
      stdout:
        '2026-01-01T00:00:02.000Z a tcp: healthy → unhealthy after 5 results: no\n' +
        'good.trace: 1 server, 2 results, 1 change\n',
      stderr: '',
    })
    expect(baton('replay', good, '--fall', '3').stdout).toBe(
      'good.trace: 1 server, 2 results, 0 changes with fall 3; 1 as it was\n',
    )
    expect(JSON.parse(baton('replay', good, '--json').stdout)).toMatchObject({ changesAsRun: 1, results: 2 })
    const bad = file('bad.trace', `${text}nothing\n{"n":9,"ended":true}\n`)
    expect(baton('replay', bad)).toEqual({
      code: exitCodes.failed,
      stdout: '',
      stderr: 'bad.trace:5: this is no JSON\nbad.trace:6: no line before says which server 9 is\n',
    })
    expect(baton('replay', good, '--rise', '0').code).toBe(exitCodes.usage)
  })

  test('every mistake in a file is said at once, each beginning with its place', () => {
    const name = file('wrong.yaml', 'name: t\nguests:\n  web: { count: 2, imag: tiny, memory: lots }\n')
    for (const command of ['check', 'plan', 'up', 'down']) {
      const { code, stdout, stderr } = baton(command, name)
      expect([code, stdout]).toEqual([exitCodes.failed, ''])
      const lines = stderr.trimEnd().split('\n')
      expect(lines.length).toBeGreaterThanOrEqual(2)
      for (const line of lines) expect(line).toMatch(/^wrong\.yaml:3:\d+: /)
    }
    const { code, stdout } = baton('check', name, '--json')
    expect(code).toBe(exitCodes.failed)
    expect(JSON.parse(stdout)).toMatchObject({ file: 'wrong.yaml', ok: false, diagnostics: [{ line: 3 }, { line: 3 }] })
  })

  test('import prints an ldirectord.cf as a file that check takes, and says by line what is left out', () => {
    const name = file(
      'lb.cf',
      'virtual=127.0.0.1:8080\n\treal=127.0.0.1:80 masq\n\tservice=http\n\treceive="OK"\n\tcomment=shop\n',
    )
    const { code, stdout, stderr } = baton('import', name)
    expect([code, stderr]).toEqual([exitCodes.ok, expect.stringMatching(/^lb\.cf:5:1: warning: comment is not taken/)])
    expect(stdout).toContain('body: OK')
    expect(baton('check', file('imported.yaml', stdout)).code).toBe(exitCodes.ok)
  })

  test.each([
    {
      text: 'virtual=10.0.0.1\n\treal=x\nfork=maybe\n',
      says: /^lb\.cf:1:1: warning: .*\nlb\.cf:2:1: .*\nlb\.cf:3:1: /,
    },
    { text: 'name: t\n', says: /none of the files that can be imported/ },
  ])('import prints nothing of a file that is wrong: $text', ({ text, says }) => {
    const { code, stdout, stderr } = baton('import', file('lb.cf', text))
    expect([code, stdout]).toEqual([exitCodes.failed, ''])
    expect(stderr).toMatch(says)
  })

  test('more memory than the machine has is an error at the value', () => {
    const name = file('big.yaml', 'name: t\nguests:\n  web:\n    image: tiny\n    memory: 900000G\n')
    const { code, stderr } = baton('check', name)
    expect(stderr).toMatch(/^big\.yaml:5:13: .*memory/)
    expect(code).toBe(exitCodes.failed)
  })

  test('schema prints JSON Schema', () => {
    expect(JSON.parse(baton('schema').stdout)).toMatchObject({ type: 'object', properties: { guests: {} } })
  })

  test('a guest that is not there is said so', () => {
    const { code, stderr } = baton('start', 'nobody')
    expect(stderr).toBe('baton: there is no guest nobody\nhint: `baton list` shows all guests\n')
    expect(code).toBe(exitCodes.failed)
  })

  test('drain without a director says so', () => {
    const { code, stderr } = baton('drain', 'web-1')
    expect(stderr).toContain('no director runs')
    expect(code).toBe(exitCodes.failed)
  })
})

describe.skipIf(!isBuilt)('a pretended cluster', () => {
  test('goes up, is looked at, changed, and down, with the documented exit codes', () => {
    const name = file('fake.yaml', fake)
    expect(baton('plan', name).code).toBe(exitCodes.changes)
    const up = baton('up', name, '--json')
    const events = up.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { event: string })
    expect(up).toMatchObject({ code: exitCodes.ok, stderr: '' })
    expect(events.at(-1)).toMatchObject({
      event: 'ended',
      cluster: 't',
      status: { guests: [{ name: 'web-1' }, { name: 'web-2' }] },
    })
    expect(baton('plan', name)).toMatchObject({ code: exitCodes.ok, stdout: 't: nothing to do\n' })
    expect(baton('up', name).stdout).toContain('t: nothing to do')

    expect(baton('pause', 'web-1').stdout).toContain('paused')
    expect(baton('drain', 'web-2').stdout).toContain('drained (1 server)')
    const status = JSON.parse(baton('status', '--json').stdout) as unknown
    expect(status).toMatchObject({
      guests: [
        { name: 'web-1', state: 'paused' },
        { name: 'web-2', state: 'running' },
      ],
      services: [
        {
          name: 'www',
          address: '127.0.0.1:8080',
          servers: [{ guest: 'web-1' }, { guest: 'web-2', drained: true, weight: 0 }],
        },
      ],
    })
    expect(baton('plan', name).stdout).toContain('it is paused')
    const far = file('far.yaml', fake.replace('hosts: {', 'hosts: { far: { ssh: "nobody@127.0.0.1:1" },'))
    const all = baton('status', far, '--json')
    expect(all.code).toBe(exitCodes.failed)
    expect(JSON.parse(all.stdout)).toMatchObject({
      cluster: 't',
      machines: [
        { hosts: ['far'], guests: [], director: null, unreachable: expect.stringContaining('127.0.0.1') as string },
        { hosts: ['pretend'], guests: [{ name: 'web-1' }, { name: 'web-2' }], unreachable: null },
      ],
    })

    const fewer = file('fewer.yaml', fake.replace('count: 2', 'count: 0'))
    const refused = baton('up', fewer)
    expect(refused.stderr).toContain('2 of 2 guests')
    expect(refused.code).toBe(exitCodes.needsYes)
    expect((JSON.parse(baton('list', '--json').stdout) as unknown[]).length).toBe(2)

    expect(baton('down', name)).toMatchObject({ code: exitCodes.ok, stderr: '' })
    expect(baton('down', name)).toMatchObject({ code: exitCodes.ok, stdout: 't: nothing to take away\n' })
    expect(existsSync(join(folder, 'run'))).toBe(false)
    expect(existsSync(join(folder, 'state'))).toBe(false)
  }, 60_000)
})
