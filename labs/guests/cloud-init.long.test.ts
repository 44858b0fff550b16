/** Debian with its own cloud-init, built from its packages, takes a seed that the file gives in cloud-init's words. Minutes under TCG. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openBaton } from '../hello/baton.ts'

const minute = 60_000

test(
  'cloud-init itself finds the seed, and does what it says',
  async () => {
    await using baton = openBaton()
    const file = join(baton.directory, 'baton.yaml')
    writeFileSync(
      file,
      `name: clouds
images: { debian: { debootstrap: bookworm, packages: [cloud-init] } }
guests:
  web:
    image: debian
    memory: 512M
    cloud-init:
      user-data:
        write_files: [{ path: /etc/baton-seed, content: "written by cloud-init\\n" }]
        runcmd: [[sh, -c, "echo $(cloud-init query local_hostname): $(cat /etc/baton-seed) > /dev/console"]]
`.replaceAll('$(', '$$$$('),
    )
    const up = await baton.run('up', file)
    expect(up.code, `${up.stdout}${up.stderr}`).toBe(0)
    const said = async (): Promise<string> => (await baton.run('console', 'web', '--log', '--bytes', '200000')).stdout
    const until = { timeout: 8 * minute, interval: 3_000 }
    await expect.poll(said, until).toMatch(/Datasource DataSourceNoCloud \[seed=\/dev\/vd/)
    await expect.poll(said, until).toContain('web: written by cloud-init')
    await baton.run('destroy', 'web')
    expect(await baton.run('down', file)).toMatchObject({ code: 0 })
    expect(baton.processes()).toEqual([])
  },
  30 * minute,
)
