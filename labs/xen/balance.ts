/** A director on this machine, over guests of the lab's Dom0, which it reaches by forwarded ports. */
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort, openBaton } from '../hello/baton.ts'
import { soon, type XenWorld } from './world.ts'

type Guest = readonly [name: string, address: string]

/** A request that reaches a guest at its death is never answered: QEMU's network has taken the connection for it. */
const answerMs = 20_000

/** Kills the first from outside: once the check has seen it, every request is answered by the other. */
export async function balanceOverTwo(world: XenWorld, killed: Guest, other: Guest): Promise<string> {
  const { hypervisor, find, must, answerOf, dom0 } = world
  await using baton = openBaton()
  const port = await freePort()
  const servers = [killed, other].map(([, address]) => `{ address: "127.0.0.1:${dom0.ports.get(address)}" }`)
  const file = join(baton.directory, 'shop.yaml')
  const check = '{ http: /healthz, status: 200, every: 1s, timeout: 15s, rise: 1, fall: 1 }'
  await writeFile(
    file,
    `name: shop\nservices:\n  www: { address: "127.0.0.1:${port}", scheduler: rr, servers: [${servers.join(', ')}], check: ${check} }\ndirectors: { engine: userspace }\n`,
  )
  const up = await baton.run('up', file)
  assert.equal(up.code, 0, up.stderr)
  const heard = (): Promise<string> =>
    fetch(`http://127.0.0.1:${port}/`, { signal: AbortSignal.timeout(answerMs), headers: { connection: 'close' } })
      .then((response) => response.text())
      .catch(() => 'no answer')
  const untilHeard = async (wanted: readonly Guest[]): Promise<void> => {
    const { signal } = soon()
    const names = wanted.map(([name]) => `hello from ${name}\n`).sort()
    for (;;) {
      const seen = new Set([await heard(), await heard(), await heard(), await heard()])
      if (JSON.stringify([...seen].sort()) === JSON.stringify(names)) return
      await sleep(200, undefined, { signal })
    }
  }
  await untilHeard([killed, other])
  await must('xl', 'destroy', killed[0])
  await untilHeard([other])
  assert.equal((await find(killed[0]))?.state, 'crashed')
  await hypervisor.start(killed[0], soon())
  assert.equal(await answerOf(killed[1]), `hello from ${killed[0]}\n`)
  await untilHeard([killed, other])
  await baton.run('down', file)
  return `both answer; ${killed[0]} killed: ${other[0]} alone; started again: both`
}
