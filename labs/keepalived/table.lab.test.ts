/**
 * `baton keepalived` with files that keepalived itself was run with on the kernel's IPVS (table-record.ts): the same table
 * after each happening, the same lines and calls.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, describe, expect, test } from 'vitest'
import { openBaton } from '../hello/baton.ts'
import { isRoot } from '../net/namespaces.ts'
import { type Case, cases } from './table-cases.ts'
import { reader, teller } from './table-script.ts'
import { parted, type Seen, seenFile } from './table-seen.ts'

if (!isRoot()) console.warn('skipped: commands of a keepalived.conf run as its script_user, root')
const program = join(import.meta.dirname, '../../bin/baton')
const waitMs = 60_000
const seen = JSON.parse(readFileSync(join(import.meta.dirname, seenFile), 'utf8')) as Readonly<Record<string, Seen>>

const folder = mkdtempSync(join(tmpdir(), 'baton-table-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function happen(directory: string, { up = [], down = [] }: Case['steps'][number]): void {
  for (const one of up) writeFileSync(join(directory, one), '0\n')
  for (const one of down) writeFileSync(join(directory, one), '1\n')
}

function prepare({ name, file }: Case): string {
  const directory = join(folder, name)
  mkdirSync(directory)
  writeFileSync(join(directory, 'keepalived.conf'), file.replaceAll('DIR', directory))
  writeFileSync(join(directory, 'told.sh'), teller(directory), { mode: 0o755 })
  writeFileSync(join(directory, 'told'), '')
  for (const one of ['a', 'b', 'c']) writeFileSync(join(directory, one), '0\n')
  return directory
}

describe.skipIf(!isRoot())('the table of a file', () => {
  test.each(cases)(
    '$name',
    async (one) => {
      const { name, steps } = one
      const directory = prepare(one)
      const told = (): string[] => readFileSync(join(directory, 'told'), 'utf8').split('\n')
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
        return parted(stdout.split('\n').slice(3), told())
      }
      const becomes = async (title: string): Promise<void> => {
        const theirs = seen[`${name} ${title}`]
        const end = Date.now() + waitMs
        while (JSON.stringify(await now()) !== JSON.stringify(theirs) && Date.now() < end) await sleep(50)
        expect(await now(), title).toEqual(theirs)
      }
      try {
        start('/bin/sh', '-c', reader(directory))
        while (!existsSync(join(directory, 'fifo'))) await sleep(20)
        happen(directory, steps[0] ?? {})
        const options = ['-C', '-n', '-G', '-f', join(directory, 'keepalived.conf'), '-p', join(directory, 'pid')]
        const daemon = start(process.execPath, program, 'keepalived', ...options)
        const ended = once(daemon, 'exit')
        await becomes('0')
        for (const [index, step] of steps.slice(1).entries()) {
          happen(directory, step)
          await becomes(String(index + 1))
        }
        daemon.kill('SIGTERM')
        expect(await ended).toEqual([0, null])
        expect(parted([], told()).told).toEqual(seen[`${name} end`]?.told)
      } finally {
        for (const child of children) child.kill('SIGKILL')
      }
    },
    400_000,
  )
})
