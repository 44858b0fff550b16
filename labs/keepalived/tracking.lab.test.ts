/** keepalived and `baton keepalived` that track the same things with their weights: the same priorities on the wire, the same faults. */
import { once } from 'node:events'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import type { Witnessed } from '../ha/witness.ts'
import { until } from '../ha/world.ts'
import { isRoot } from '../net/namespaces.ts'
import { type Heard, heardOf, type Play, playBeside } from './beside.ts'
import { isThere } from './here.ts'
import { openTold } from './told.ts'

const waitMs = 30_000
const address = '10.99.0.101'

const configuration = `
global_defs {
  enable_script_security
  script_user root
}
vrrp_script good {
  script "/bin/sh -c 'test -e DIR/good'"
  interval 1
  weight 10
}
vrrp_script bad {
  script "/bin/sh -c 'test -e DIR/bad'"
  interval 1
  weight 3 reverse
}
vrrp_script needed {
  script "/bin/sh -c 'test -e DIR/needed'"
  interval 1
}
track_file number {
  file "DIR/number"
  weight 2
}
vrrp_instance A {
  interface eth0
  virtual_router_id 1
  priority 100
  version 3
  advert_int 0.2
  virtual_ipaddress { 
    ${address}/24 
  }
  track_interface { 
    other weight -40 
  }
  track_script { 
    good 
    bad
    needed
  }
  track_file { 
    number 
  }
}
`.replaceAll(/ +$/gm, '')

/** The peer that is master when the tracked router has less, or is at fault. */
const peer = `vrrp_instance A {
  interface eth0
  virtual_router_id 1
  priority 90
  version 3
  advert_int 0.2
  virtual_ipaddress { ${address}/24 }
}`

const play: Play<Heard> = async ({ site, directory, start }) => {
  const at = (name: string): string => join(directory, name)
  const [file, good, bad, needed, number] = ['keepalived.conf', 'good', 'bad', 'needed', 'number'].map(at) as [
    string, string, string, string, string,
  ] // biome-ignore format: a list to read at a glance
  writeFileSync(file, configuration.replaceAll('DIR', directory))
  for (const path of [good, needed]) writeFileSync(path, '')
  writeFileSync(number, '0\n')
  await site.run(0, 'ip', 'link', 'add', 'other', 'type', 'veth', 'peer', 'name', 'far')
  const link = (state: 'up' | 'down') => async () => {
    await site.run(0, 'ip', 'link', 'set', 'far', state)
  }
  await site.run(0, 'ip', 'link', 'set', 'other', 'up')
  await link('up')()
  await site.keepalived(1, peer)
  const seen = await site.witness(2)
  const child = start(file)
  const ended = once(child, 'exit')
  /** A priority counts when the last few adverts have it, all from one. */
  const step = async (what: string, happen: () => unknown, master: 0 | 1, priority: number): Promise<void> => {
    await happen()
    const from = seen.length
    await until(what, async () => isSettled(seen.slice(from), master, priority), waitMs)
    expect(await site.holders(address)).toEqual([master])
  }
  try {
    await step('all is well', () => undefined, 0, 110)
    await step('the script with a weight fails', () => rmSync(good), 0, 100)
    await step('it succeeds', () => writeFileSync(good, ''), 0, 110)
    await step('the reversed script succeeds', () => writeFileSync(bad, ''), 0, 107)
    await step('it fails', () => rmSync(bad), 0, 110)
    await step('the link goes down', link('down'), 1, 90)
    await step('it comes up', link('up'), 0, 110)
    await step('the file has a number', () => writeFileSync(number, '7\n'), 0, 124)
    await step('a negative one', () => writeFileSync(number, '-20\n'), 1, 90)
    await step('none', () => writeFileSync(number, '0\n'), 0, 110)
    await step('the script without a weight fails', () => rmSync(needed), 1, 90)
    await step('it succeeds again', () => writeFileSync(needed, ''), 0, 110)
    return heardOf(seen)
  } finally {
    child.kill('SIGTERM')
    await ended
  }
}

const goingOn = `
global_defs {
  vrrp_notify_fifo DIR/fifo
}
vrrp_instance A {
  interface eth0
  virtual_router_id 1
  priority 100
  version 3
  advert_int 0.2
  dont_track_primary
  virtual_ipaddress { ${address}/24 }
}
`

/** What is told while the cable of the own interface is out, and in again. */
const playGoingOn: Play<readonly string[]> = async ({ site, directory, start }) => {
  using told = openTold(directory)
  const file = join(directory, 'keepalived.conf')
  writeFileSync(file, goingOn.replaceAll('DIR', directory))
  const seen = await site.witness(1)
  const child = start(file)
  const ended = once(child, 'exit')
  try {
    await told.hear('INSTANCE "A" MASTER 100', 1)
    await site.cable(0, 'down')
    const before = seen.length
    // Five adverts: one that minds would have said so.
    await sleep(1000)
    expect(seen.length).toBeLessThanOrEqual(before + 1)
    await site.cable(0, 'up')
    await until('it is heard again', async () => seen.length > before + 3, waitMs)
    expect(await site.holders(address)).toEqual([0])
    return [...told.lines()]
  } finally {
    child.kill('SIGTERM')
    await ended
  }
}

const last = 4

function isSettled(adverts: readonly Witnessed[], master: number, priority: number): boolean {
  const settled = adverts.slice(-last)
  return (
    settled.length === last && settled.every((one) => one.from === `10.99.0.${master + 1}` && one.priority === priority)
  )
}

describe.skipIf(!isThere || !isRoot())('what is tracked', () => {
  test('changes the priority, the master and the fault as with the original', async () => {
    const { original, own } = await playBeside(3, () => play)
    for (const other of own) expect(other).toEqual(original)
  }, 120_000)

  test('is not its own interface where the file says so', async () => {
    const { original, own } = await playBeside(2, () => playGoingOn)
    expect(original.filter((line) => line.includes('FAULT'))).toEqual([])
    for (const other of own) expect(other).toEqual(original)
  }, 120_000)
})
