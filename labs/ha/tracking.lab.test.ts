/**
 * What is tracked moves the priority as it moves keepalived's: one keepalived.conf for both, a router of each on one link, and the
 * priorities that they advertise after the same events.
 */
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { wantedRouters } from '../../src/cluster/plan/wanted-routers.ts'
import { convertKeepalived } from '../../src/compat/keepalived/convert.ts'
import type { Machine } from '../../src/formats/keepalived/machine.ts'
import { parseKeepalived } from '../../src/formats/keepalived/parse.ts'
import type { VrrpSpec } from '../../src/vrrp/spec.ts'
import { isRoot } from '../net/namespaces.ts'
import { Site, until } from './world.ts'

const program = 'baton-tracked'
const base = 100

/** Two routers, so that each is master and advertises. */
function fileFor(at: number, folder: string, track: string): string {
  return `
vrrp_script there {
  script "/usr/bin/test -e ${folder}/there"
  interval 1
  timeout 10
  weight 30
}
vrrp_track_file number {
  file "${folder}/number"
  weight 1
}
vrrp_track_process program {
  process ${program}
  weight 7
}
vrrp_instance edge {
  interface eth0
  version 3
  virtual_router_id ${51 + at}
  priority ${base}
  advert_int 0.5
  ${track}
  virtual_ipaddress {
    10.99.0.${100 + at}/24
  }
}`
}

/** As `baton director --config` reads it, on a machine that has all that it names. */
function read(text: string): VrrpSpec {
  const surroundings = { include: () => ({ files: [], missing: [], directories: [] }), random: () => 0 }
  const machine: Machine = {
    interface: () => 'there',
    isExecutable: () => true,
    hasUser: (name) => name === 'root',
    groupOf: () => '0',
  }
  const parsed = parseKeepalived({ file: 'keepalived.conf', directory: '/', text }, surroundings, machine)
  const { spec, diagnostics } = convertKeepalived(parsed, { file: 'keepalived.conf', cluster: 'k' })
  const routers = spec && wantedRouters(spec)
  if (routers === undefined) throw new Error(JSON.stringify(diagnostics))
  return routers
}

const tracks = {
  'with weights': `
    track_interface {
      eth1 weight -20
    }
    track_script {
      there
    }
    track_file {
      number weight 2
    }
    track_process {
      program
    }`,
  reversed: `
    track_interface {
      eth1 weight -20 reverse
    }
    track_script {
      there weight -30 reverse
    }
    track_file {
      number weight 2 reverse
    }
    track_process {
      program weight 7 reverse
    }`,
}

/** What both advertise after each of the events below, in their order. */
const expected = {
  'with weights': [107, 137, 117, 137, 147, 254, 101],
  reversed: [123, 93, 113, 93, 83, 1, 129],
}

test.runIf(isRoot()).each(Object.keys(tracks) as (keyof typeof tracks)[])(
  '%s: the same priorities are advertised as by keepalived',
  async (how) => {
    const folder = await mkdtemp(join(tmpdir(), 'baton-track-'))
    try {
      await using site = await Site.open(3)
      for (const at of [0, 1]) await site.join(at, 'eth1', 'br1', `10.98.0.${at + 1}/24`)
      const link = async (state: 'up' | 'down'): Promise<void> => {
        for (const at of [0, 1]) await site.run(at, 'ip', 'link', 'set', 'eth1', state)
      }
      const write = (name: string, text: string): Promise<void> => writeFile(join(folder, name), text)
      await write('number', '0')
      await copyFile('/bin/sleep', join(folder, program))
      site.start(2, join(folder, program), '1000')
      const seen = await site.witness(2)
      const told = (): (number | undefined)[] =>
        [1, 2].map((host) => seen.findLast(({ from }) => from === `10.99.0.${host}`)?.priority)
      await site.baton(0, read(fileFor(0, folder, tracks[how])))
      await site.keepalived(1, fileFor(1, folder, tracks[how]))
      const events: readonly (readonly [string, () => unknown])[] = [
        ['begun', () => undefined],
        ['the script succeeds', () => write('there', '')],
        ['the interface is down', () => link('down')],
        ['the interface is up', () => link('up')],
        ['a number in the file', () => write('number', '5')],
        ['too great a number', () => write('number', '70')],
        [
          'the script fails, and a number below 0',
          async () => (await rm(join(folder, 'there')), write('number', '-3')),
        ],
      ]
      for (const [at, [what, act]] of events.entries()) {
        await act()
        const wanted = [expected[how][at], expected[how][at]]
        await until(what, async () => told().join() === wanted.join()).catch(() => undefined)
        expect(told(), what).toEqual(wanted)
      }
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  },
)
