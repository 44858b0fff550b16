/** A router that keepalived.conf keeps to the RFCs (`vrrp_strict`), run by the original and by Baton. */
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { until } from '../ha/world.ts'
import { isRoot } from '../net/namespaces.ts'
import { type Heard, heardOf, type Play, playBeside } from './beside.ts'
import { isThere } from './here.ts'
import { byWhom, openTold } from './told.ts'

const waitMs = 30_000
const address = '10.99.0.101'

/** What it says of authentication and of a delay is set back. */
const strict = `
global_defs {
  vrrp_strict
  vrrp_notify_fifo DIR/fifo
}
vrrp_instance A {
  state MASTER
  interface eth0
  virtual_router_id 1
  priority 120
  advert_int 1
  preempt_delay 300
  authentication {
    auth_type PASS
    auth_pass secret
  }
  virtual_ipaddress { ${address}/24 }
}
`

/** Without authentication, and master until a better one comes. */
const peer = `
vrrp_instance A {
  interface eth0
  virtual_router_id 1
  priority 110
  advert_int 1
  virtual_ipaddress { ${address}/24 }
}
`

type Played = {
  readonly told: Readonly<Record<string, readonly string[]>>
  readonly heard: Heard
  /** Whether the address answers an echo request, as it did while it stood at the peer. */
  readonly isAnswered: boolean
}

const play: Play<Played> = async ({ site, directory, start }) => {
  using told = openTold(directory)
  const file = join(directory, 'keepalived.conf')
  writeFileSync(file, strict.replaceAll('DIR', directory))
  const seen = await site.witness(2)
  const asks = (): Promise<boolean> =>
    site.run(2, 'busybox', 'ping', '-c', '1', '-W', '1', address).then(
      () => true,
      () => false,
    )
  await site.keepalived(1, peer)
  await until('the peer is master', async () => (await site.holders(address)).join() === '1', waitMs)
  await until('it answers', asks, waitMs)
  const child = start(file)
  const ended = once(child, 'exit')
  try {
    await told.hear('INSTANCE "A" MASTER 120', 1)
    await until('the peer has left', async () => (await site.holders(address)).join() === '0', waitMs)
    const isAnswered = await asks()
    const from = seen.length
    await until('it is heard', async () => seen.length > from + 1, waitMs)
    return { told: byWhom(told.lines()), heard: heardOf(seen), isAnswered }
  } finally {
    child.kill('SIGTERM')
    await ended
  }
}

describe.skipIf(!isThere || !isRoot())('a router that is kept to the RFCs', () => {
  test('takes over at once and without authentication, and its address answers nobody', async () => {
    const { original, own } = await playBeside(3, () => play)
    expect(original.isAnswered).toBe(false)
    for (const other of own) expect(other).toEqual(original)
  }, 120_000)
})
