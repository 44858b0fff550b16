/** A real guest whose web server has died is restarted by its director, while the other one of its pool answers. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { StatusJson } from '../../src/cli/local/status.ts'
import { openHypervisor } from '../../src/guests/open.ts'
import { localHost } from '../../src/hosts/local/local.ts'
import { freePort, openBaton } from '../hello/baton.ts'
import { request, soon } from './world.ts'

test('a sick guest is restarted as its pool says, and the other one is left alone', async () => {
  await using baton = openBaton()
  const port = await freePort()
  const file = join(baton.directory, 'baton.yaml')
  writeFileSync(
    file,
    `name: ward
guests: { web: { count: 2, image: tiny, memory: 96M, restart: { after: 8s, back-off: 60s, limit: 2 } } }
services:
  www: { address: "127.0.0.1:${port}", scheduler: rr, servers: [{ guests: web, port: 80 }], check: { http: /healthz, every: 300ms, timeout: 5s, rise: 1, fall: 2 } }
directors: { engine: userspace }
`,
  )
  const up = await baton.run('up', file)
  expect(up.code, `${up.stdout}${up.stderr}`).toBe(0)
  const healthy = async (): Promise<boolean[]> => {
    const { services } = await baton.json<StatusJson>('status')
    return services.flatMap(({ servers }) => servers.map(({ weight }) => weight > 0))
  }
  const directories = { runtime: join(baton.directory, 'run'), state: join(baton.directory, 'state'), cache: baton.environment['BATON_CACHE_DIR'] ?? '' } // biome-ignore format: a line
  await using hypervisor = openHypervisor('qemu', localHost({ directories }))
  const pids = async (): Promise<(number | undefined)[]> => (await hypervisor.list(soon())).map(({ id }) => id)
  const before = await pids()
  const line = await hypervisor.console('web-1', soon())
  line.write('kill $(pidof lighttpd)\r')
  const until = { timeout: 120_000, interval: 250 }
  await expect.poll(healthy, until).toEqual([false, true])
  line.destroy()

  // Its process is another one, and it serves again; the other was left alone.
  await expect.poll(async () => (await request({ address: '127.0.0.1', port })).trim(), until).toBe('hello from web-2')
  await expect.poll(async () => (await pids())[0] !== before[0] && (await healthy()).every(Boolean), until).toBe(true)
  expect((await pids())[1]).toBe(before[1])
  const names = new Set<string>()
  for (let count = 0; count < 2; count += 1) names.add((await request({ address: '127.0.0.1', port })).trim())
  expect([...names].toSorted()).toEqual(['hello from web-1', 'hello from web-2'])
  const events = await baton.run('events', '--json', '--no-follow')
  expect(events.stdout).toMatch(/guest\.restarting[\s\S]*guest\.restarted/)

  const down = await baton.run('down', file)
  expect(down.code, `${down.stdout}${down.stderr}`).toBe(0)
  expect(baton.processes()).toEqual([])
})
