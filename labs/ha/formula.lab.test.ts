/**
 * How long a takeover lasts beside the formula of the standards, with a Baton and a keepalived as the two routers of one id; either
 * one is killed in turn. From the last advertisement of the dead one to the first of the other, as a third machine hears them.
 */
import { access, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { masterDownMs } from '../../src/vrrp/machine/timers.ts'
import { isRoot } from '../net/namespaces.ts'
import { addressOf, type Kind, ours, theirs } from './instance.ts'
import type { Witnessed } from './witness.ts'
import { Site, until } from './world.ts'

const kinds: readonly Kind[] = [
  { name: 'version 2', version: 2, family: 'ipv4', intervalMs: 1000, isPatient: true },
  { name: 'version 3', version: 3, family: 'ipv4', intervalMs: 500, isPatient: true },
  { name: 'version 3 over IPv6', version: 3, family: 'ipv6', intervalMs: 500, isPatient: true },
]
const [baton, keepalived, witness] = [0, 1, 2] as const
const priorities = [150, 100] as const
const kills = Number(process.env['HA_LAB_KILLS'] ?? 3)
/** So far from the formula a takeover may be. */
const tolerance = 0.1
/** A machine whose own clock is later than this part of the formula cannot tell. */
const bearable = tolerance / 2
const longMs = 60_000

type Takeover = { readonly ratio: number; readonly lateRatio: number }

describe.runIf(isRoot())('takeovers beside the formula', () => {
  test.concurrent.each(kinds)('$name: of Baton, and of keepalived', { timeout: 300_000 }, async (kind) => {
    await using site = await Site.open(3)
    const folder = await mkdtemp(join(tmpdir(), 'baton-formula-'))
    try {
      const seen = await site.witness(witness)
      let begun = 0
      const begin = [
        () => site.baton(baton, ours(kind, priorities[baton])),
        async () => {
          // It says so itself when it listens.
          const mark = join(folder, String(begun++))
          const running = await site.keepalived(
            keepalived,
            theirs(kind, priorities[keepalived], { more: `notify_backup "/usr/bin/touch ${mark}"` }),
          )
          const isThere = (): Promise<boolean> =>
            access(mark).then(
              () => true,
              () => false,
            )
          await until('keepalived is backup', isThere, longMs)
          return running
        },
      ] as const
      const running = [await begin[baton](), undefined] as [
        { kill(): Promise<void> } | undefined,
        { kill(): Promise<void> } | undefined,
      ]
      const isMaster = async (at: number): Promise<boolean> =>
        (await site.holders(addressOf[kind.family])).join() === String(at)
      await until('Baton is master', () => isMaster(baton), longMs)
      running[keepalived] = await begin[keepalived]()
      const found: [Takeover[], Takeover[]] = [[], []]
      for (let kill = 0; kill < 2 * kills; kill++) {
        const [dying, heir] = kill % 2 === 0 ? ([baton, keepalived] as const) : ([keepalived, baton] as const)
        const since = seen.length
        await until('the backup hears it', async () => seen.length >= since + 2, longMs)
        await running[dying]?.kill()
        await site.run(dying, 'ip', 'address', 'flush', 'dev', 'eth0', 'to', addressOf[kind.family])
        await until('the other one is master', () => isMaster(heir), longMs)
        const takeover = (): Takeover | undefined => lastTakeover(seen, kind, priorities[heir])
        await until('it advertises', async () => takeover() !== undefined, longMs)
        const one = takeover()
        if (one !== undefined) found[heir].push(one)
        running[dying] = await begin[dying]()
      }
      judge(`${kind.name}: Baton after keepalived`, found[baton])
      judge(`${kind.name}: keepalived after Baton`, found[keepalived])
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })
})

/** Between the last two advertisements that came from two routers, of whom the first said no farewell. */
function lastTakeover(
  seen: readonly Witnessed[],
  { version, intervalMs }: Kind,
  priority: number,
): Takeover | undefined {
  const at = seen.findLastIndex(({ from }, index) => index > 0 && seen[index - 1]?.from !== from)
  const [before, after] = [seen[at - 1], seen[at]]
  if (before === undefined || after === undefined || after.priority !== priority) return undefined
  const formula = masterDownMs({ version, downAdverts: 3 }, priority, intervalMs)
  return { ratio: (after.atMs - before.atMs) / formula, lateRatio: after.lateMs / formula }
}

/** Takeovers while the machine itself was late are not judged; those that are left, by their median. */
function judge(what: string, all: readonly Takeover[]): void {
  const calm = all.filter(({ lateRatio }) => lateRatio <= bearable)
  const text = all
    .map(({ ratio, lateRatio }) => `${ratio.toFixed(3)} (late ${(100 * lateRatio).toFixed(1)} %)`)
    .join(', ')
  const median = calm.map(({ ratio }) => ratio).toSorted((a, b) => a - b)[Math.floor(calm.length / 2)]
  const verdict = median === undefined ? 'not judged: the machine itself was too late' : `median ${median.toFixed(3)}`
  console.log(`${what}, parts of the formula: ${text}; ${verdict}`)
  expect(all).toHaveLength(kills)
  if (median === undefined) return
  expect(median, what).toBeGreaterThan(1 - tolerance)
  expect(median, what).toBeLessThan(1 + tolerance)
}
