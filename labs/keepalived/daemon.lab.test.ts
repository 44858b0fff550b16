/** keepalived, `baton keepalived` and `baton director --config` with one configuration: the same lines in the named pipe, the same calls of commands. */
import { once } from 'node:events'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { until } from '../ha/world.ts'
import { isRoot } from '../net/namespaces.ts'
import { type Play, playBeside } from './beside.ts'
import { isThere } from './here.ts'
import { byWhom, openTold } from './told.ts'

const waitMs = 60_000

const instance = (name: string, id: number, priority: number, more: string): string => `
vrrp_instance ${name} {
  interface eth0
  virtual_router_id ${id}
  priority ${priority}
  version 3
  advert_int 0.2
  virtual_ipaddress { 10.99.0.${100 + id}/24 }
  notify "DIR/told.sh own-${name}"
  notify_master "DIR/told.sh ${name}-master 'a b'"
  notify_fault "DIR/told.sh ${name}-fault"
  ${more}
}`

const configuration = `
global_defs {
  enable_script_security
  script_user root
  vrrp_notify_fifo DIR/fifo
}
vrrp_script good {
  script "/bin/sh -c 'test -e DIR/good'"
  interval 1
}
vrrp_sync_group G {
  group {
    A
    B
  }
  notify "DIR/told.sh group"
  notify_stop "DIR/told.sh group-stop"
}
${instance('A', 1, 100, '')}
${instance('B', 2, 90, 'track_script { \n good \n }')}
${instance('C', 3, 80, '')}
`

/** What each instance and group was said to have become, in order. */
type Told = { readonly lines: Readonly<Record<string, readonly string[]>>; readonly calls: readonly string[] }

const play: Play<{ told: Told; code: number | null }> = async ({ site, directory, start }) => {
  const file = join(directory, 'keepalived.conf')
  const good = join(directory, 'good')
  writeFileSync(file, configuration.replaceAll('DIR', directory))
  writeFileSync(good, '')
  using told = openTold(directory)
  const child = start(file)
  const ended = once(child, 'exit')
  try {
    await told.hear('GROUP "G" MASTER 0', 1)
    await told.hear('INSTANCE "C" MASTER 80', 1)
    rmSync(good)
    await told.hear('GROUP "G" FAULT 0', 1)
    writeFileSync(good, '')
    await told.hear('GROUP "G" MASTER 0', 2)
    await site.cable(0, 'down')
    await told.hear('GROUP "G" FAULT 0', 2)
    await told.hear('INSTANCE "C" FAULT 80', 1)
    await site.cable(0, 'up')
    await told.hear('GROUP "G" MASTER 0', 3)
    await told.hear('INSTANCE "C" MASTER 80', 2)
    expect(await site.holders('10.99.0.101')).toEqual([0])
    child.kill('SIGTERM')
    const [code] = (await ended) as [number | null]
    await told.hear('GROUP "G" STOP 0', 1)
    await until('all commands', async () => told.calls().includes('<group-stop>'), waitMs)
    expect(await site.holders('10.99.0.101')).toEqual([])
    return { told: { lines: byWhom(told.lines()), calls: told.calls().toSorted() }, code }
  } finally {
    child.kill('SIGTERM')
    await ended
  }
}

describe.skipIf(!isThere || !isRoot())('the daemon', () => {
  test('tells the same of the same happenings, by commands and by the named pipe', async () => {
    const { original, own } = await playBeside(1, () => play)
    for (const other of own) {
      expect(other.told.lines).toEqual(original.told.lines)
      expect(other.told.calls).toEqual(original.told.calls)
    }
    expect([original, ...own].map(({ code }) => code)).toEqual([0, 0, 0])
  }, 180_000)
})
