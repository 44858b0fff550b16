/** What is changed so that the program may ask for the director's own routes, and that it is put back. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { closeOwnRoutes, openOwnRoutes } from '../../src/engines/ebpf/own-routes.ts'
import { enterNewNamespace, execute } from './world.ts'

const families = ['ipv4', 'ipv6'] as const
const seen = (name: string): string[] =>
  families.map((family) => readFileSync(`/proc/sys/net/${family}/conf/${name}/forwarding`, 'utf8').trim())

test.each(['0', '1'])('where forwarding is %s, only lo’s is switched on, and back', async (value) => {
  await using namespace = await enterNewNamespace()
  const settings = [`net.ipv4.ip_forward=${value}`, `net.ipv6.conf.all.forwarding=${value}`]
  await execute('ip', ['netns', 'exec', namespace.name, 'sysctl', '-qw', ...settings])
  openOwnRoutes()
  expect([seen('lo'), seen('all'), seen('lan')]).toEqual([
    ['1', '1'],
    [value, value],
    [value, value],
  ])
  closeOwnRoutes()
  expect(seen('lo')).toEqual([value, value])
})
