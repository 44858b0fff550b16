import { spawn } from 'node:child_process'
import { expect, test } from 'vitest'
import type { TrackedState } from './machine/tracking.ts'
import { isMeant, watchProcesses } from './processes.ts'
import type { TrackSpec } from './spec.ts'

type ProcessSpec = TrackSpec & { readonly kind: 'process' }
const spec = (more: Partial<ProcessSpec> = {}): ProcessSpec => ({
  kind: 'process', program: 'nginx', least: 1, forkDelayMs: 0, terminateDelayMs: 0, ...more,
}) // biome-ignore format: one value
const running = { name: 'nginx', argv: ['/usr/sbin/nginx', '-g', 'daemon off;'] }

test.each<[what: string, more: Partial<ProcessSpec>, is: boolean]>([
  ['its name', {}, true],
  ['another name', { program: 'ngin' }, false],
  ['the whole path', { program: '/usr/sbin/nginx', isFullCommand: true }, true],
  ['a name in place of the whole path', { isFullCommand: true }, false],
  ['all of its words', { parameters: { words: ['-g', 'daemon off;'], match: 'exact' } }, true],
  ['some of its words', { parameters: { words: ['-g'], match: 'exact' } }, false],
  ['its first words', { parameters: { words: ['-g'], match: 'initial' } }, true],
  ['the beginning of the last word', { parameters: { words: ['-g', 'daemon'], match: 'partial' } }, true],
  ['another beginning', { parameters: { words: ['-g', 'master'], match: 'partial' } }, false],
])('a process is told by %s', (_, more, is) => {
  expect(isMeant(spec(more), running)).toBe(is)
})

test('of processes that begin and end it is heard, and of too many of them', async () => {
  const mark = String(100_000 + (process.pid % 100_000))
  const heard: TrackedState[] = []
  const parameters = { words: [mark], match: 'exact' } as const
  using _watch = watchProcesses(spec({ program: 'sleep', parameters, most: 1 }), (_, state) => heard.push(state))
  await expect.poll(() => heard, { timeout: 20_000 }).toEqual(['ill'])
  const children = [spawn('sleep', [mark], { stdio: 'ignore' })]
  try {
    await expect.poll(() => heard, { timeout: 20_000 }).toEqual(['ill', 'well'])
    children.push(spawn('sleep', [mark], { stdio: 'ignore' }))
    await expect.poll(() => heard, { timeout: 20_000 }).toEqual(['ill', 'well', 'ill'])
  } finally {
    for (const child of children) child.kill('SIGKILL')
  }
}, 90_000)
