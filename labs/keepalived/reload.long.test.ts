/** keepalived and `baton keepalived`, with a peer each, through the same reloads: what is told, what is on the wire, where addresses stand. */
import { once } from 'node:events'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { until } from '../ha/world.ts'
import { isRoot } from '../net/namespaces.ts'
import { type Heard, heardOf, type Play, playBeside } from './beside.ts'
import { isThere } from './here.ts'
import { byWhom, openTold, type Told } from './told.ts'

const waitMs = 60_000

const instance = (name: string, id: number, priority: number, more = '', beside = ''): string => `
vrrp_instance ${name} {
  interface eth0
  virtual_router_id ${id}
  priority ${priority}
  version 3
  advert_int 0.5
  virtual_ipaddress { 10.99.0.${100 + id}/24 }
  virtual_ipaddress_excluded { ${beside} }
  notify "DIR/told.sh any"
  notify_fault "DIR/told.sh ${name}-fault"
  notify_master_rx_lower_pri "DIR/told.sh ${name}-lower"
  ${more}
}`

const head = `
global_defs {
  enable_script_security
  script_user root
  vrrp_notify_fifo DIR/fifo
}
vrrp_script good {
  script "/bin/sh -c 'test -e DIR/good'"
  interval 1
  weight 10
}`

const tracking = 'notify_priority_changes on\n track_script { \n good \n }'
const before = [
  head,
  instance('A', 1, 100, tracking),
  instance('B', 2, 90, 'notify_deleted "DIR/told.sh B-deleted"'),
  instance('C', 3, 80),
].join('\n')
const after = [head, instance('A', 1, 120, tracking, '10.99.0.111/24')].join('\n')
/** The reading of it ends in the middle. */
const broken = `${after}\nvrrp_instance D {\n priority\n}\n`

/** The peer that would be master of A in its place. */
const peer = `vrrp_instance A {
  interface eth0
  virtual_router_id 1
  priority 50
  version 3
  advert_int 0.25
  virtual_ipaddress { 10.99.0.101/24 }
}`

type Played = {
  readonly lines: Readonly<Record<string, readonly string[]>>
  readonly calls: readonly string[]
  /** Adverts of A since the first reload: from whom, each of its priorities once, in order. */
  readonly heard: Heard
}

/**
 * keepalived tells of the priority at every reload, as that of a backup, whatever it is; and how often a master of lower priority is
 * heard, until it has heard of us, is chance.
 */
function isComparable(line: string): boolean {
  return !/_PRIORITY 1[23]0$|RX_LOWER/.test(line)
}

/** `endsWhenBroken`: as keepalived does, and leaves its addresses behind. */
const play =
  (endsWhenBroken: boolean): Play<Played> =>
  async ({ site, directory, start }) => {
    using told: Told = openTold(directory)
    const file = join(directory, 'keepalived.conf')
    const good = join(directory, 'good')
    const write = (text: string): void => writeFileSync(file, text.replaceAll('DIR', directory))
    write(before)
    writeFileSync(good, '')
    await site.keepalived(1, peer)
    await until('the peer is master', async () => (await site.holders('10.99.0.101')).includes(1), waitMs)
    const child = start(file)
    const ended = once(child, 'exit')
    try {
      await told.hear('INSTANCE "A" MASTER 110', 1)
      await told.hear('INSTANCE "C" MASTER 80', 1)
      rmSync(good)
      await told.hear('INSTANCE "A" MASTER_PRIORITY 100', 1)
      writeFileSync(good, '')
      await told.hear('INSTANCE "A" MASTER_PRIORITY 110', 1)
      // Who speaks first when they are joined again is chance: the peer is not heard when it hears us first.
      while (!told.lines().includes('INSTANCE "A" MASTER_RX_LOWER_PRI 110')) {
        await site.part(true, 0, 1)
        await until('both are masters', async () => (await site.holders('10.99.0.101')).join() === '0,1', waitMs)
        await site.part(false, 0, 1)
        await until('one of them', async () => (await site.holders('10.99.0.101')).join() === '0', waitMs)
      }

      const seen = await site.witness(2)
      const adverts = (from = 0): typeof seen => seen.slice(from).filter(({ id }) => id === 1)
      const hearsMore = async (what: string, priority: number): Promise<void> => {
        const from = seen.length
        await until(what, async () => adverts(from).filter((one) => one.priority === priority).length > 3, waitMs)
      }
      await hearsMore('before', 110)
      write(after)
      child.kill('SIGHUP')
      await told.hear('INSTANCE "B" DELETED 90', 1)
      await told.hear('INSTANCE "C" FAULT 80', 1)
      await hearsMore('the new priority', 130)
      for (const address of ['10.99.0.101', '10.99.0.111']) expect(await site.holders(address)).toEqual([0])
      expect(await site.holders('10.99.0.102')).toEqual([])
      await until('all commands', async () => told.calls().includes('<any><INSTANCE><C><FAULT><80>'), waitMs)
      const played = {
        lines: byWhom(told.lines().filter(isComparable)),
        calls: [...new Set(told.calls())].toSorted(),
        heard: heardOf(adverts()),
      }
      write(broken)
      child.kill('SIGHUP')
      if (endsWhenBroken) expect((await ended)[0]).toBe(2)
      else await hearsMore('after a broken file', 130)
      expect(await site.holders('10.99.0.101')).toEqual([0])
      return played
    } finally {
      child.kill('SIGTERM')
      await ended
    }
  }

describe.skipIf(!isThere || !isRoot())('a reload', () => {
  test('keeps roles, applies what has changed, tells who has gone, and passes a broken file over', async () => {
    const { original, own } = await playBeside(3, (isOriginal) => play(isOriginal))
    expect(original.heard).toEqual({ '10.99.0.1': [110, 130] })
    for (const other of own) expect(other).toEqual(original)
  }, 180_000)
})
