/** ldirectord end to end: the program by its own name, its daemon, the director it starts, real servers, mails and logs. */
import { readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { smtpSink } from '../../test/build/smtp-sink.ts'
import { freePort } from '../hello/baton.ts'
import { eventually } from '../net/loopback.ts'
import { type Door, killQuietly, openDoor, openProgram, type Program, readIfThere } from './program.ts'

const isRoot = process.getuid?.() === 0
if (!isRoot) console.warn('skipped: a relay listens at port 25, which needs root')

/** A virtual of these servers, checked by connects. */
async function virtual(doors: readonly Door[], ...more: readonly string[]): Promise<{ vip: string; block: string[] }> {
  const vip = `127.0.0.1:${await freePort()}`
  const reals = doors.map(({ at }) => `    real=${at} masq 5`)
  return { vip, block: [`virtual=${vip}`, ...reals, '    checktype=connect', ...more.map((line) => `    ${line}`)] }
}
const quick = ['checkinterval=1', 'checktimeout=1']

async function served(program: Program, ...rows: readonly string[]): Promise<void> {
  await eventually(
    `the table is ${rows.join(', ')}`,
    async () => String((await program.table()).sort()) === String(rows.toSorted()),
    30_000,
  )
}
async function logged(program: Program, instance: string, ...lines: readonly string[]): Promise<void> {
  await eventually(
    `the log has ${lines.join(', ')}`,
    () => lines.every((line) => program.log(instance).includes(line)),
    30_000,
  )
}
const pidOf = (program: Program, instance: string): number => Number(readFileSync(program.pidFile(instance), 'utf8'))
const alive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

describe('ldirectord as a program', () => {
  test('starts, says its status, reloads and stops, with its exit codes, its streams and its log', async () => {
    await using program = openProgram()
    await using first = await openDoor()
    await using second = await openDoor()
    const { vip, block } = await virtual([first, second])
    const shown = program.config('web.cf', [...quick, ...block])
    const said = (...words: readonly string[]) => program.ldirectord('web.cf', ...words)

    expect(await said('status')).toEqual({ code: 3, out: `ldirectord is stopped for ${shown}\n`, err: '' })
    expect(await said('stop')).toEqual({ code: 0, out: '', err: '' })
    expect(await said('try-restart')).toEqual({ code: 0, out: '', err: '' })
    expect(await said('reload')).toEqual({ code: 1, out: '', err: '' })
    expect(program.log('web.cf').slice(-2)).toEqual([
      `ldirectord is stopped for ${shown}`,
      'Exiting with exit_status 1: Exiting from ldirectord reload',
    ])

    expect(await said('start')).toEqual({ code: 0, out: '', err: '' })
    const pid = pidOf(program, 'web.cf')
    expect(readFileSync(`/proc/${pid}/cmdline`, 'latin1')).toContain('ldirectord\0web.cf\0start')
    expect(await said('start')).toEqual({ code: 0, out: '', err: '' })
    expect(pidOf(program, 'web.cf')).toBe(pid)
    expect(await said('status')).toEqual({
      code: 0,
      out: '',
      err: `ldirectord for ${shown} is running with pid: ${pid}\n`,
    })
    await served(program, vip, `${vip} > ${first.at} 5`, `${vip} > ${second.at} 5`)
    await logged(
      program,
      'web.cf',
      `Added virtual server: ${vip}`,
      `Added real server: ${first.at} (${vip}) (Weight set to 5)`,
    )
    expect(program.rawLog()).toMatch(
      new RegExp(
        `^\\[\\w{3} \\w{3} [ \\d]\\d \\d\\d:\\d\\d:\\d\\d \\d{4}\\|web.cf\\|${pid}\\] Starting Linux Director v1.186-ha as daemon$`,
        'm',
      ),
    )
    const { out: status } = await program.baton('status')
    expect(status).toContain(vip)

    await second.close()
    await served(program, vip, `${vip} > ${first.at} 5`)
    await logged(program, 'web.cf', `Deleted real server: ${second.at} (${vip})`)
    await second.open()
    await logged(program, 'web.cf', `Resetting soft failure count: ${second.at} (tcp:${vip})`)
    await served(program, vip, `${vip} > ${first.at} 5`, `${vip} > ${second.at} 5`)

    // A broken file: every error with its line, nothing changed.
    program.config('web.cf', ['checkinterval=0', ...block, '    nonsense=1'])
    expect(await said('reload')).toMatchObject({ code: 2, out: '' })
    killQuietly(pid, 'SIGHUP')
    await logged(program, 'web.cf', 'Reloading Linux Director Daemon config on signal')
    await logged(
      program,
      'web.cf',
      `Error [${pid}] reading file ${shown} at line 1: invalid check interval value`,
      `Error [${pid}] reading file ${shown} at line ${block.length + 2}: Unknown command "    nonsense=1"`,
    )
    expect((await program.table()).sort()).toEqual([vip, `${vip} > ${first.at} 5`, `${vip} > ${second.at} 5`].sort())

    // And one that is right: what is left out goes, what stays is not touched.
    program.config('web.cf', [...quick, ...block.filter((line) => !line.includes(second.at))])
    expect(await said('reload')).toEqual({ code: 0, out: '', err: '' })
    await served(program, vip, `${vip} > ${first.at} 5`)
    await logged(program, 'web.cf', `Purged real server (start): ${second.at} (${vip})`)
    expect(program.log('web.cf').filter((line) => line.startsWith(`Added real server: ${first.at}`))).toHaveLength(1)

    expect(await said('restart')).toEqual({ code: 0, out: '', err: '' })
    const next = pidOf(program, 'web.cf')
    expect(next).not.toBe(pid)
    await served(program, vip, `${vip} > ${first.at} 5`)

    expect(await said('stop')).toEqual({ code: 0, out: '', err: '' })
    await eventually('all processes have gone', () => program.processes().length === 0, 30_000)
    expect(program.log('web.cf').slice(-4)).toEqual([
      expect.stringMatching(/^Invoking ldirectord invoked as: .*bin\/ldirectord web.cf stop $/u),
      `Purged real server (stop): ${first.at} (${vip})`,
      `Purged virtual server (stop): ${vip}`,
      'Linux Director Daemon terminated on signal: TERM',
    ])
    expect(await said('status')).toMatchObject({ code: 3 })
  })

  test('a broken file is refused with every error, and keeps the pid file; so are other mistakes', async () => {
    await using program = openProgram()
    await using door = await openDoor()
    const { block } = await virtual([door])
    const shown = program.config('web.cf', [...quick, ...block])
    expect((await program.ldirectord('web.cf', 'start')).code).toBe(0)
    const pid = pidOf(program, 'web.cf')
    program.config('web.cf', ['fork=maybe', 'supervised', 'quiescent=no '])
    for (const command of ['status', 'stop', 'start', 'reload']) {
      const { code, out, err } = await program.ldirectord('web.cf', command)
      expect({ code, out }).toEqual({ code: 2, out: '' })
      expect(err.replaceAll(/\[\d+\]/g, '[PID]')).toBe(
        [
          `Error [PID] reading file ${shown} at line 1: fork must be 'yes' or 'no'`,
          `Warning [PID] reading file ${shown} at line 2: please update your config not to use a bare supervised directive`,
          `Error [PID] reading file ${shown} at line 3: quiescent must be 'yes' or 'no'`,
          '',
        ].join('\n'),
      )
    }
    expect(pidOf(program, 'web.cf')).toBe(pid)
    expect(program.log('web.cf')).toContain('Exiting with exit_status 2: config_error: Configuration Error')
    program.config('web.cf', [...quick, ...block])
    expect((await program.ldirectord('web.cf', 'stop')).code).toBe(0)
    await eventually('it has ended', () => !alive(pid), 30_000)

    // What the engine cannot do is an error with its line.
    program.config('gate.cf', [...quick, `virtual=127.0.0.1:${await freePort()}`, '    real=127.0.0.9:81 gate'])
    const gate = await program.ldirectord('gate.cf', 'start')
    expect(gate).toMatchObject({ code: 2, out: '' })
    expect(gate.err).toMatch(/^Error \[\d+\] reading file \S+gate.cf at line 3: .*direct/mu)
    expect(readIfThere(program.pidFile('gate.cf'))).toBe('')
    await eventually('the director that was started for it has gone', () => program.processes().length === 0, 30_000)

    expect(await program.ldirectord('none.cf', 'start')).toEqual({
      code: 1,
      out: '',
      err: 'Config file none.cf not found\n',
    })
    expect(program.log('ldirectord')).toEqual([
      'Config file none.cf not found',
      'Exiting with exit_status 1: Initialisation Error',
    ])
    const usage = await program.ldirectord('-t')
    expect(usage).toMatchObject({ code: 255, err: 'Unknown option: t\n' })
    expect(usage.out).toMatch(/^Usage:\n/)
    expect((await program.ldirectord('-v')).out).toMatch(/^Linux Director v1\.186-ha\n/)
    expect((await program.baton('ldirectord', '-h')).code).toBe(0)
  })

  test('two instances live side by side in one director, which outlives each and ends with the last', async () => {
    await using program = openProgram()
    await using door = await openDoor()
    const [a, b] = [await virtual([door]), await virtual([door])]
    program.config('ldirectord.cf', [...quick, 'execute=b.cf', ...a.block])
    program.config('b.cf', [...quick, ...b.block])
    expect((await program.ldirectord('start')).code).toBe(0)
    await eventually('both serve', async () => (await program.table()).length === 4, 30_000)
    const [pidA, pidB] = [pidOf(program, 'ldirectord'), pidOf(program, 'b.cf')]
    const status = await program.ldirectord('status')
    expect(status.err.split('\n').map((line) => Number(line.split(' ').at(-1)))).toEqual([pidA, pidB, 0])
    const directors = (): number[] =>
      program.processes().flatMap(({ pid, command }) => (command.includes('director --supervise') ? [pid] : []))
    expect(directors()).toHaveLength(1)

    // The same service of two files is refused, and the second instance with it.
    program.config('c.cf', [...quick, ...b.block])
    const twice = await program.ldirectord('c.cf', 'start')
    expect(twice.code).toBe(1)
    expect(twice.err).toMatch(/^Error \[\d+\]: .*b\.cf/mu)
    expect(readIfThere(program.pidFile('c.cf'))).toBe('')

    // Its other instance stops with it, so it is started again by itself first.
    program.config('ldirectord.cf', [...quick, ...a.block])
    expect((await program.ldirectord('reload')).code).toBe(0)
    await eventually('the other was stopped', () => !alive(pidB), 30_000)
    expect((await program.ldirectord('b.cf', 'start')).code).toBe(0)
    expect((await program.ldirectord('stop')).code).toBe(0)
    await eventually('the first has ended', () => !alive(pidA), 30_000)
    await served(program, b.vip, `${b.vip} > ${door.at} 5`)
    expect(directors()).toHaveLength(1)
    expect((await program.ldirectord('b.cf', 'stop')).code).toBe(0)
    await eventually('all has gone', () => program.processes().length === 0, 30_000)
  })

  test('killed, the daemon leaves everything served and is taken over; killed, the director is followed again', async () => {
    await using program = openProgram()
    await using first = await openDoor()
    await using second = await openDoor()
    const { vip, block } = await virtual([first, second])
    const shown = program.config('web.cf', [...quick, ...block])
    expect((await program.ldirectord('web.cf', 'start')).code).toBe(0)
    await served(program, vip, `${vip} > ${first.at} 5`, `${vip} > ${second.at} 5`)

    const pid = pidOf(program, 'web.cf')
    process.kill(pid, 'SIGKILL')
    await eventually('it is dead', () => !alive(pid))
    expect(await program.ldirectord('web.cf', 'status')).toEqual({
      code: 1,
      out: `ldirectord is stopped for ${shown}\n`,
      err: `ldirectord stale pid file ${program.pidFile('web.cf')} for ${shown}\n`,
    })
    await second.close()
    await served(program, vip, `${vip} > ${first.at} 5`)
    expect((await program.ldirectord('web.cf', 'start')).code).toBe(0)
    const next = pidOf(program, 'web.cf')
    expect(next).not.toBe(pid)
    // What is wrong when it comes is told, and the servers that serve are left alone.
    await logged(program, 'web.cf', `Deleted real server: ${second.at} (${vip})`)
    expect(await program.table()).toEqual([vip, `${vip} > ${first.at} 5`])

    const director = program.processes().find(({ command }) => / director --engine /.test(command))
    process.kill(director?.pid ?? 0, 'SIGKILL')
    await logged(program, 'web.cf', 'The director is followed again')
    await served(program, vip, `${vip} > ${first.at} 5`)
    await second.open()
    await served(program, vip, `${vip} > ${first.at} 5`, `${vip} > ${second.at} 5`)
    expect(program.log('web.cf').at(-1)).toBe(`Added real server: ${second.at} (${vip}) (Weight set to 5)`)

    // Supervisor and director: the daemon starts another.
    for (const { pid, command } of program.processes()) if (/ director --/.test(command)) killQuietly(pid, 'SIGKILL')
    await served(program, vip, `${vip} > ${first.at} 5`, `${vip} > ${second.at} 5`)
    expect((await program.ldirectord('web.cf', 'stop')).code).toBe(0)
    await eventually('all has gone', () => program.processes().length === 0, 30_000)
  })

  test.skipIf(!isRoot)('writes results down, mails what happens, and reads a changed file by itself', async () => {
    await using program = openProgram()
    await using sink = await smtpSink({ address: '127.0.83.25', port: 25 })
    await using first = await openDoor()
    await using second = await openDoor()
    const monitor = join(program.root, 'monitor')
    const called = join(program.root, 'called')
    const callback = join(program.root, 'callback')
    writeFileSync(callback, `#!/bin/sh\necho "$@" >> ${called}\n`, { mode: 0o755 })
    const { vip, block } = await virtual(
      [first, second],
      `monitorfile="${monitor}"`,
      'failurecount=2',
      'quiescent=yes',
      'servicename=shop',
      'comment=call Eve',
    )
    const mails = [
      'emailalert="ops@shop.example, eve@shop.example"',
      'emailalertfrom=lb@shop.example',
      'emailalertfreq=2',
      'emailalertstatus=running',
      'smtp=127.0.83.25',
    ]
    const head = [...quick, ...mails, 'autoreload=yes', `callback="${callback}"`, `logfile="${program.root}/own.log"`]
    const shown = program.config('web.cf', [...head, ...block])
    const log = (): string => readIfThere(join(program.root, 'own.log'))
    expect(await program.ldirectord('web.cf', 'start')).toEqual({ code: 0, out: '', err: '' })
    await served(program, vip, `${vip} > ${first.at} 5`, `${vip} > ${second.at} 5`)
    const [address = '', port = ''] = first.at.split(':')
    await eventually('results are written', () =>
      readIfThere(monitor).includes(`connect tcp ${address} ${port} 5 masq /  [up] `),
    )
    // The table is as wanted: the start is over with the next look.
    await new Promise((resolve) => setTimeout(resolve, 1500))
    expect(sink.taken).toEqual([])

    await second.close()
    await eventually('a mail has come', () => sink.taken.length > 0, 30_000)
    const line = `Quiescent real server: ${second.at} (${vip}) (Weight set to 0)`
    expect(sink.taken[0]).toMatchObject({ to: ['ops@shop.example', 'eve@shop.example'] })
    expect(sink.taken[0]?.text.replaceAll('\n ', ' ')).toContain(`Subject: [shop] ${line}\n`)
    expect(sink.taken[0]?.text).toContain('Daemon-Status: running\n\nService name: shop\nComment: call Eve\n')
    expect(log()).toContain(`Soft failure real server: ${second.at} (tcp:${vip}) failure 1/2`)
    expect(log()).toContain(`emailalert: ${line}`)
    await eventually('it is told again', () => /Inaccessible real server/.test(sink.taken[1]?.text ?? ''), 30_000)
    expect(readFileSync(monitor, 'utf8')).toMatch(
      new RegExp(
        `^\\[.{24}\\] \\[${pidOf(program, 'web.cf')}\\] connect tcp \\S+ \\d+ 5 masq /  \\[down\\] .*ECONNREFUSED`,
        'm',
      ),
    )

    // Touched only: nothing. Changed: read again, with the callback after it; who is gone is told of no more.
    const { mtimeMs } = statSync(shown)
    utimesSync(shown, mtimeMs / 1000 + 5, mtimeMs / 1000 + 5)
    await new Promise((resolve) => setTimeout(resolve, 1500))
    expect(log()).not.toContain('has changed on disk')
    program.config('web.cf', [...head, ...block.filter((one) => !one.includes(second.at))])
    await eventually('the callback was run', () => readIfThere(called) === `${shown}\n`, 30_000)
    expect(log()).toContain(`Configuration file '${shown}' has changed on disk`)
    expect(log()).toContain(' - reread new configuration')
    await served(program, vip, `${vip} > ${first.at} 5`)
    await eventually('the purge is told', () => log().includes(`Purged real server (start): ${second.at}`))
    const count = sink.taken.length
    await new Promise((resolve) => setTimeout(resolve, 4000))
    expect(sink.taken.slice(count).filter(({ text }) => text.includes('Inaccessible'))).toEqual([])
    expect((await program.ldirectord('web.cf', 'stop')).code).toBe(0)
    await eventually('all has gone', () => program.processes().length === 0, 30_000)
  })

  test('with cleanstop=no a service stays as it stands, and the next start takes it up', async () => {
    await using program = openProgram()
    await using first = await openDoor()
    await using second = await openDoor()
    const stays = await virtual([first, second], 'cleanstop=no', 'quiescent=yes')
    const goes = await virtual([first])
    program.config('web.cf', [...quick, ...stays.block, ...goes.block])
    expect((await program.ldirectord('web.cf', 'start')).code).toBe(0)
    await eventually('both serve', async () => (await program.table()).length === 5, 30_000)
    await second.close()
    const { vip } = stays
    const left = [vip, `${vip} > ${first.at} 5`, `${vip} > ${second.at} 0`]
    await served(program, ...[...left, goes.vip, `${goes.vip} > ${first.at} 5`].sort())
    expect((await program.ldirectord('web.cf', 'stop')).code).toBe(0)
    await served(program, ...left)
    expect(program.log('web.cf')).toContain(`Purged virtual server (stop): ${goes.vip}`)
    expect(program.log('web.cf')).not.toContain(`Purged virtual server (stop): ${vip}`)
    // Nobody checks it any more.
    await second.open()
    await first.close()
    await new Promise((resolve) => setTimeout(resolve, 2500))
    expect((await program.table()).sort()).toEqual(left.toSorted())
    await first.open()
    expect((await program.ldirectord('web.cf', 'start')).code).toBe(0)
    await eventually(
      'both serve again',
      async () => (await program.table()).every((row) => !row.endsWith(' 0')),
      30_000,
    )
    expect(await program.table()).toHaveLength(5)
  })

  test('with -d and with supervised=yes it stays in the foreground, without a pid file', async () => {
    await using program = openProgram()
    await using door = await openDoor()
    const { vip, block } = await virtual([door])
    program.config('web.cf', [...quick, ...block])
    const debug = program.foreground('-d', 'web.cf', 'start')
    const added = `Added real server: ${door.at} (${vip}) (Weight set to 5)\n`
    await eventually('it says that it serves', () => debug.said.err.includes(`DEBUG2: ${added}${added}`), 30_000)
    expect(debug.said.err).toContain(`\nStarting Linux Director v1.186-ha with pid: ${debug.pid}\n`)
    expect(readIfThere(program.pidFile('web.cf'))).toBe('')
    expect((await program.ldirectord('web.cf', 'status')).code).toBe(3)
    process.kill(debug.pid, 'SIGINT')
    expect(await debug.ended).toBe(0)
    expect(debug.said.err).toContain('Linux Director Daemon terminated on signal: INT\n')
    expect(debug.said.out).toBe('')

    program.config('web.cf', [...quick, 'supervised=yes', ...block])
    const supervised = program.foreground('web.cf', 'start')
    await eventually('it says that it serves', () => supervised.said.out.includes(added), 30_000)
    expect(supervised.said.out).toMatch(/^\[\w{3} \w{3} .{16}\] Starting Linux Director v1\.186-ha with pid: \d+$/mu)
    process.kill(supervised.pid, 'SIGTERM')
    expect(await supervised.ended).toBe(0)
    await eventually('all has gone', () => program.processes().length === 0, 30_000)
  })

  test('a director with the file as it is does the same in its own process', async () => {
    await using program = openProgram()
    await using door = await openDoor()
    const monitor = join(program.root, 'monitor')
    const { vip, block } = await virtual([door], `monitorfile="${monitor}"`)
    const shown = program.config('web.cf', [...quick, 'autoreload=yes', `logfile="${program.root}/own.log"`, ...block])
    const log = (): string => readIfThere(join(program.root, 'own.log'))
    const running = program.baton('director', '--config', shown)
    await eventually(
      'it serves',
      () => log().includes(`Added real server: ${door.at} (${vip}) (Weight set to 5)`),
      30_000,
    )
    await eventually('results are written', () => readIfThere(monitor).includes('[up]'))
    program.config('web.cf', [
      ...quick,
      'autoreload=yes',
      `logfile="${program.root}/other.log"`,
      ...block,
      '    fallback=127.0.0.1:9 masq',
    ])
    await eventually('it was read again', () => log().includes(' - reread new configuration'), 30_000)
    await door.close()
    const other = (): string => readIfThere(join(program.root, 'other.log'))
    await eventually(
      'the fallback is told in the other log',
      () => other().includes('Added fallback server: 127.0.0.1:9'),
      30_000,
    )
    const director = program.processes().find(({ command }) => command.includes('director --config'))
    process.kill(director?.pid ?? 0, 'SIGTERM')
    expect((await running).code).toBe(0)
  })
})
