/**
 * keepalived in a guest with the kernel's IPVS, and `baton keepalived` here, with the same files: the same tables after each
 * happening, the same lines and calls.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openBaton } from '../hello/baton.ts'
import { underOtherKernel } from '../kernel/guest.ts'
import { isRoot } from '../net/namespaces.ts'
import { type Case, cases } from './table-cases.ts'

const isThere = ['/usr/sbin/keepalived', '/usr/sbin/ipvsadm'].every((path) => existsSync(path))
if (!isThere) console.warn('skipped: Debian’s packages keepalived and ipvsadm are not installed')
const program = join(import.meta.dirname, '../../bin/baton')
const waitMs = 60_000

/** A table as `ipvsadm -Ln` prints it, without its head, and what was told by then; in no order, as checks end in none. */
type Seen = { readonly table: readonly string[]; readonly told: readonly string[] }

/** Commands run at the same time: each line is written in one go. */
const teller = (directory: string): string => `#!/bin/sh\necho "$*" >>${directory}/told\n`
/** A pipe that is open for both ends, so that its writer never waits. */
const reader = (directory: string): string =>
  `mkfifo ${directory}/fifo; exec 3<>${directory}/fifo; while read -r line <&3; do echo "$line" >>${directory}/told; done`

/** Looks until all has been the same for a while, as nobody knows what keepalived is going to do. */
const head = `
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
now() { ipvsadm -Ln | tail -n +4; echo told; sort $dir/told; }
settled() {
  last=; same=0; looks=0
  while [ $same -lt $quiet ] && [ $looks -lt 200 ]; do
    next=$(now); looks=$((looks + 1))
    if [ "$next" = "$last" ]; then same=$((same + 1)); else same=0; last=$next; fi
    sleep 0.5
  done
  echo "=== $1"; now
}
`

function script({ name, file, services, quietLooks, steps }: Case): string {
  const directory = `/tmp/${name}`
  const happen = ({ up = [], down = [] }: Case['steps'][number]): string =>
    [...up.map((one) => `echo 0 >${directory}/${one}`), ...down.map((one) => `echo 1 >${directory}/${one}`)].join('\n')
  return `
quiet=${quietLooks}; dir=${directory}; mkdir -p $dir; : >$dir/told
cat >$dir/keepalived.conf <<'END'
${file.replaceAll('DIR', directory)}
END
cat >$dir/told.sh <<'END'
${teller(directory)}END
chmod 755 $dir/told.sh
for file in a b c; do echo 0 >$dir/$file; done
(${reader(directory)}) & reader=$!
while [ ! -p $dir/fifo ]; do sleep 0.1; done
${happen(steps[0] ?? {})}
keepalived -C -n -l -f $dir/keepalived.conf -p $dir/pid -c $dir/checkers.pid >$dir/log 2>&1 & keepalived=$!
looks=0; until [ "$(ipvsadm -Ln | grep -cE '^(TCP|UDP|FWM)')" = ${services} ] || [ $looks -gt 300 ]; do looks=$((looks + 1)); sleep 0.2; done
settled "${name} 0"
${steps.slice(1).map((step, index) => `${happen(step)}\nsettled "${name} ${index + 1}"`).join('\n')}
kill $keepalived; wait $keepalived
settled "${name} end"
kill $reader
` // biome-ignore format: a script
}

const seen = new Map<string, Seen>()
const folder = mkdtempSync(join(tmpdir(), 'baton-table-'))

beforeAll(async () => {
  if (!isThere || !isRoot()) return
  execFileSync(process.execPath, [join(import.meta.dirname, '../../scripts/build.mjs')])
  const { output } = await underOtherKernel(head + cases.map(script).join(''), { signal: AbortSignal.timeout(400_000) })
  if (process.env['SHOW_GUEST'] !== undefined) console.log(output)
  for (const part of output.split(/^=== /mu).slice(1)) {
    const [title = '', ...lines] = part.split('\n')
    const at = lines.indexOf('told')
    seen.set(title, parted(lines.slice(0, at), lines.slice(at + 1)))
  }
}, 420_000)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Counters are nobody's here; the servers of a service stand in no order, and keep the name of theirs. */
function parted(lines: readonly string[], told: readonly string[]): Seen {
  let service = ''
  const table = lines.filter(Boolean).map((line) => {
    const words = line.trim().split(/\s+/)
    if (words[0] !== '->') {
      service = words.slice(0, 2).join(' ')
      return words.join(' ')
    }
    return `${service} ${words.slice(0, 4).join(' ')}`
  })
  return { table: table.toSorted(), told: told.filter(Boolean).toSorted() }
}

describe.skipIf(!isThere || !isRoot())('the table of a file', () => {
  test.each(cases)(
    '$name',
    async ({ name, file, steps }) => {
      const directory = join(folder, name)
      mkdirSync(directory)
      writeFileSync(join(directory, 'keepalived.conf'), file.replaceAll('DIR', directory))
      writeFileSync(join(directory, 'told.sh'), teller(directory), { mode: 0o755 })
      writeFileSync(join(directory, 'told'), '')
      for (const one of ['a', 'b', 'c']) writeFileSync(join(directory, one), '0\n')
      const happen = ({ up = [], down = [] }: Case['steps'][number]): void => {
        for (const one of up) writeFileSync(join(directory, one), '0\n')
        for (const one of down) writeFileSync(join(directory, one), '1\n')
      }
      await using baton = openBaton()
      const children: ChildProcess[] = []
      const start = (...command: readonly string[]): ChildProcess => {
        const [first = '', ...words] = command
        const child = spawn(first, words, { env: { ...baton.environment, BATON_ENGINE: 'fake' }, stdio: 'ignore' })
        children.push(child)
        return child
      }
      const now = async (): Promise<Seen> => {
        const { stdout } = await baton.run('ipvsadm', '-Ln')
        return parted(stdout.split('\n').slice(3), readFileSync(join(directory, 'told'), 'utf8').split('\n'))
      }
      const becomes = async (title: string): Promise<void> => {
        const theirs = seen.get(`${name} ${title}`)
        const end = Date.now() + waitMs
        while (JSON.stringify(await now()) !== JSON.stringify(theirs) && Date.now() < end) await sleep(50)
        expect(await now(), title).toEqual(theirs)
      }
      try {
        start('/bin/sh', '-c', reader(directory))
        while (!existsSync(join(directory, 'fifo'))) await sleep(20)
        happen(steps[0] ?? {})
        const pids = ['-p', join(directory, 'pid')]
        const daemon = start(
          process.execPath,
          program,
          'keepalived',
          '-C',
          '-n',
          '-f',
          join(directory, 'keepalived.conf'),
          '-G',
          ...pids,
        )
        const ended = once(daemon, 'exit')
        await becomes('0')
        for (const [index, step] of steps.slice(1).entries()) {
          happen(step)
          await becomes(String(index + 1))
        }
        daemon.kill('SIGTERM')
        expect(await ended).toEqual([0, null])
        expect(readFileSync(join(directory, 'told'), 'utf8').split('\n').filter(Boolean).toSorted()).toEqual(
          seen.get(`${name} end`)?.told,
        )
      } finally {
        for (const child of children) child.kill('SIGKILL')
      }
    },
    240_000,
  )
})
