import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pino } from 'pino'
import { describe, expect, test } from 'vitest'
import { openDirectorWorld, within } from '../../../test/build/director.ts'
import { buildService, buildWanted } from '../../../test/build/services.ts'
import { fakeEngine } from '../../engines/fake/fake.ts'
import { isInfraError } from '../../errors.ts'
import type { Output } from '../output.ts'
import { type BootRules, bootRules } from './boot-rules.ts'
import { parseIpvsadmDefault } from './ipvsadm-default.ts'

const good = [
  '-A -t 10.0.0.1:80 -s wlc -p 300',
  '-a -t 10.0.0.1:80 -r 10.0.0.9:80 -g -w 3',
  '-a -t 10.0.0.1:80 -r 10.0.0.8:80 -g -w 1',
  '-A -f 5 -s rr',
  '',
].join('\n')

type World = AsyncDisposable & {
  readonly rules: string
  readonly said: string[]
  readonly boot: (defaults?: string) => BootRules
  readonly put: (name: string, text: string) => Promise<string>
}

async function openWorld(text = good): Promise<World> {
  const directory = await mkdtemp(join(tmpdir(), 'baton-rules-'))
  const said: string[] = []
  const put = async (name: string, content: string): Promise<string> => {
    const path = join(directory, name)
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, content)
    return path
  }
  const rules = await put('ipvsadm.rules', text)
  const output = { note: (lines: readonly string[]) => said.push(...lines) } as unknown as Output
  const local = (line: string): string => line.replaceAll(`${directory}/`, '')
  return {
    rules,
    get said() {
      return said.map(local)
    },
    boot: (defaults) => bootRules({ rules, defaults, log: pino({ level: 'silent' }), output }),
    put,
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
  }
}

async function codeOf(failing: Promise<unknown>): Promise<string> {
  return await failing.then(
    () => 'no error',
    (error: unknown) => (isInfraError(error) ? error.code : String(error)),
  )
}

describe('rules of ipvsadm at boot', () => {
  test('they stand once they are loaded, and what was changed since is saved in their place', async () => {
    await using world = await openWorld()
    await using director = await openDirectorWorld()
    await director.director.putCluster({ cluster: 'shop', services: [buildWanted()] }, within())
    await world.boot().load(director.director)
    const { services } = await director.director.table(within())
    expect(services.map(({ servers }) => servers.map(({ server }) => server.address))).toEqual([
      ['127.0.0.1', '127.0.0.1'],
      ['10.0.0.8', '10.0.0.9'],
      [],
    ])
    await world.boot().save(director.director)
    expect(await readFile(world.rules, 'utf8')).toBe(good)
    const id = buildService({ id: { kind: 'fwmark', mark: 6, family: 'ipv6' } })
    await director.director.edit([{ kind: 'service.add', service: id }], within())
    await world.boot().save(director.director)
    expect(await readFile(world.rules, 'utf8')).toBe(`${good}-A -f 6 -6 -s rr\n`)
    expect(await readFile(`${world.rules}.bak`, 'utf8')).toBe(good)
  })

  test('every line that is no rule is said, and none is loaded', async () => {
    await using world = await openWorld(
      '# ok\n-A -t 10.0.0.1:80\nfrobnicate\n-A -t 10.0.0.1:99999\n-A -f 5 -s nosuch\n',
    )
    await using director = await openDirectorWorld()
    expect(await codeOf(world.boot().load(director.director))).toBe('invalid')
    expect(world.said.map((line) => line.split(' ')[0])).toEqual([
      'ipvsadm.rules:3:',
      'ipvsadm.rules:4:',
      'ipvsadm.rules:5:',
    ])
    expect((await director.director.table(within())).services).toEqual([])
  })

  test('every rule that is refused is said with its line', async () => {
    await using world = await openWorld('-A -t 127.0.0.1:8080\n-A -f 5\n-A -f 5\n-a -f 6 -r 10.0.0.1\n')
    await using director = await openDirectorWorld()
    await director.director.putCluster({ cluster: 'shop', services: [buildWanted()] }, within())
    expect(await codeOf(world.boot().load(director.director))).toBe('invalid')
    expect(world.said).toEqual([
      'ipvsadm.rules:1: tcp 127.0.0.1:8080 belongs to shop/www (change it in the file of shop)',
      'ipvsadm.rules:3: it is there already: an earlier line has it',
      'ipvsadm.rules:4: there is no such service: no earlier line has it',
    ])
  })

  test('a file that is not there is an error that says what to do', async () => {
    await using world = await openWorld()
    await rm(world.rules)
    await using director = await openDirectorWorld()
    await expect(world.boot().load(director.director)).rejects.toMatchObject({
      code: 'not-found',
      hint: /ipvsadm-save/,
    })
  })
})

describe('the file of defaults', () => {
  test('AUTO=false keeps the rules out when the file is named, and only then', async () => {
    await using world = await openWorld()
    const defaults = await world.put('default/ipvsadm', 'AUTO="false"\nDAEMON="none"\n')
    await using first = await openDirectorWorld()
    await world.boot(defaults).load(first.director)
    expect((await first.director.table(within())).services).toEqual([])
    await using second = await openDirectorWorld()
    await world.boot().load(second.director)
    expect((await second.director.table(within())).services).toHaveLength(2)
    expect(world.said).toEqual([
      expect.stringMatching(/^default\/ipvsadm: warning: AUTO is not true: the rules of ipvsadm.rules are not loaded/),
      'default/ipvsadm: warning: AUTO is not true, but --ipvsadm-rules asks for the rules: they are loaded',
    ])
  })

  test('its daemons are started, and one that cannot be is said', async () => {
    await using world = await openWorld()
    await world.put('default/ipvsadm', 'AUTO=true\nDAEMON="both" # two\nIFACE="lo no-such-0"\nSYNCID=\'7\'\n')
    await using director = await openDirectorWorld()
    await world.boot().load(director.director)
    const { daemons } = (await director.director.table(within())).info
    expect(daemons).toMatchObject([{ role: 'master', interface: 'lo', syncId: 7, group: '224.0.0.81', port: 8848 }])
    expect(world.said).toEqual(['default/ipvsadm: warning: DAEMON backup is not started: there is no such interface'])
  })

  test('an engine without such daemons says so, and the rules stand', async () => {
    await using world = await openWorld()
    await world.put('default/ipvsadm', 'AUTO=true\nDAEMON=master\nIFACE=lo\n')
    const engine = fakeEngine()
    const poor = { ...engine, capabilities: { ...engine.capabilities, syncDaemon: false } }
    await using director = await openDirectorWorld(undefined, { engine: poor })
    await world.boot().load(director.director)
    expect((await director.director.table(within())).services).toHaveLength(2)
    expect(world.said).toEqual([
      'default/ipvsadm: warning: DAEMON master is not started: the fake engine does not synchronise connections',
    ])
  })

  test.each<{ text: string; problems: string[] }>([
    { text: 'AUTO="true"\nif x; then\n', problems: ['2: expected NAME="value"'] },
    { text: 'DAEMON=slave\n', problems: ['1: DAEMON: expected none, master, backup or both, found slave'] },
    {
      text: 'DAEMON=master\nSYNCID=300\n',
      problems: ['2: SYNCID: expected a number from 0 to 255, found 300', '1: IFACE: the daemon needs an interface'],
    },
  ])('what is wrong in it is said with its line: $problems', ({ text, problems }) => {
    expect(parseIpvsadmDefault(text).problems.map(({ line, message }) => `${line}: ${message}`)).toEqual(problems)
  })
})
