/** The transcripts of the real ipvsadm, replayed through real programs: a director, and ipvsadm on the PATH of a shell. */
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { expectedAnswer } from '../../../test/golden/exceptions.ts'
import {
  type Answer,
  answerOf,
  hostsFile,
  readTranscript,
  type TranscriptName,
} from '../../../test/golden/transcript.ts'

const launcher = join(import.meta.dirname, '../../../bin/baton')
const isRoot = process.getuid?.() === 0
if (!isRoot) console.warn('skipped: a network and a hosts file of its own need root')

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'baton-ipvsadm-'))
  mkdirSync(join(folder, 'bin'))
  for (const name of ['ipvsadm', 'ipvsadm-save', 'ipvsadm-restore']) symlinkSync(launcher, join(folder, 'bin', name))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** The network and the names of the machine that the transcripts come from; then each command, its answer into files. */
const script = `
ip link set lo up
ip addr add 10.0.0.1/24 dev lo
ip addr add fd00::1/64 dev lo nodad
ip link add d0 type bridge
ip link set d0 up
ip addr add 10.9.0.1/24 dev d0
ip addr add fd09::1/64 dev d0 nodad
mount -t sysfs sysfs /sys
mount --bind "$HOSTS" /etc/hosts
mount --bind /dev/null /etc/resolv.conf
"$NODE" "$LAUNCHER" director --engine fake > log 2>&1 &
director=$!
for _ in $(seq 200); do [ -S "$BATON_RUNTIME_DIR/director.sock" ] && break; sleep 0.05; done
number=0
while IFS= read -r command; do
  number=$((number + 1))
  bash -c "$command" > $number.out 2> $number.err < /dev/null
  echo $? > $number.code
done < commands
kill $director
wait $director
`

/** The answers to shell commands, one after the other. */
async function answersTo(commands: readonly string[]): Promise<Answer[]> {
  const place = mkdtempSync(join(folder, 'run-'))
  writeFileSync(join(place, 'commands'), commands.map((command) => `${command}\n`).join(''))
  const environment = {
    ...process.env,
    PATH: `${join(folder, 'bin')}:${process.env['PATH']}`,
    NODE: process.execPath,
    LAUNCHER: launcher,
    HOSTS: hostsFile,
    BATON_RUNTIME_DIR: join(place, 'run'),
    BATON_STATE_DIR: join(place, 'state'),
    BATON_CACHE_DIR: join(place, 'cache'),
  }
  const child = spawn('unshare', ['--net', '--mount', 'bash', '-c', script], {
    cwd: place,
    env: environment,
    stdio: ['ignore', 'inherit', 'inherit'],
    timeout: 240_000,
  })
  await new Promise((resolve) => child.once('exit', resolve))
  const read = (index: number, kind: string): string => readFileSync(join(place, `${index + 1}.${kind}`), 'utf8')
  return commands.map((_, index) => answerOf(read(index, 'out'), read(index, 'err'), Number(read(index, 'code'))))
}

describe.skipIf(!isRoot)('ipvsadm as a program', () => {
  test.each<{ name: TranscriptName }>([{ name: 'syntax' }, { name: 'restore' }, { name: 'daemons' }])(
    'answers $name as the real one did',
    async ({ name }) => {
      const exchanges = readTranscript(name)
      const answers = await answersTo(exchanges.map(({ command }) => command))
      for (const [index, exchange] of exchanges.entries())
        expect({ command: exchange.command, ...answers[index] }).toEqual({
          command: exchange.command,
          ...expectedAnswer(name, exchange),
        })
    },
    280_000,
  )

  test('has the name that it was typed by, where a script can know it', async () => {
    const usage = (name: string): string => `Try \`${name} -h' or '${name} --help' for more information.`
    const link = join(folder, 'bin/ipvsadm')
    const answers = await answersTo([
      'ipvsadm -n',
      `${link} -n`,
      `cd ${folder}; bin/ipvsadm -n`,
      `cd ${folder}/bin; ./ipvsadm -n`,
      `${launcher} ipvsadm -n`,
      `cd ${folder}/bin; echo -n | ./ipvsadm -R; ./ipvsadm -h | sed -n 3p | cut -c -16`,
    ])
    expect(answers.map(({ err }) => err.join('\n'))).toEqual([
      usage('ipvsadm'), usage('ipvsadm'), usage('bin/ipvsadm'), usage('./ipvsadm'), usage('ipvsadm'), '',
    ]) // biome-ignore format: a list to read at a glance
    expect(answers.at(-1)?.out).toEqual(['  ./ipvsadm -A|E'])
  })

  test('is reached through baton with every option left to it, and through pipes that close early', async () => {
    const answers = await answersTo([
      `${launcher} ipvsadm -A -t vip:http --persistent=50`,
      `${launcher} ipvsadm --help | head -1`,
      `${launcher} ipvsadm -V`,
      `${launcher} ipvsadm-save`,
      'for i in $(seq 9000); do echo "-A -f $i"; done | ipvsadm -R; ipvsadm -Ln | head -1; ipvsadm -Ln | wc -l',
      'set -o pipefail; ipvsadm -L | (sleep 0.5; true)',
    ])
    expect(answers.map(({ out, code }) => ({ out, code }))).toEqual([
      { out: [], code: 0 },
      { out: ['ipvsadm v1.31 2019/12/24 (compiled with popt and IPVS v1.2.1)'], code: 0 },
      { out: [], code: 255 },
      { out: ['-A -t vip.example:http -s wlc -p 50'], code: 0 },
      { out: ['IP Virtual Server version 1.2.1 (size=4096)', '9004'], code: 0 },
      { out: [], code: 0 },
    ])
  })

  test('needs no services file', async () => {
    const [answer] = await answersTo([
      'mount --bind /dev/null /etc/services; ipvsadm -A -t 10.0.0.1:80; ipvsadm -S; ipvsadm -A -t 10.0.0.1:http',
    ])
    expect(answer).toEqual({
      out: ['-A -t 10.0.0.1:80 -s wlc'],
      err: ['illegal virtual server address[:port] specified'],
      code: 2,
    })
  })
})
