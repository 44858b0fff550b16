/** baton-guests.service under a real systemd: guests start with their host, and are shut down before it halts. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { imageStore } from '../../src/guests/images/store.ts'
import type { CallOptions } from '../../src/hosts/host.ts'
import { localHost } from '../../src/hosts/local/local.ts'
import { guestsUnitName } from '../../src/hosts/prepare/guests-unit.ts'
import { bootSystemd, openDisk, type Systemd } from './systemd.ts'

const packaging = join(import.meta.dirname, '../../packaging')
const program = join(import.meta.dirname, '../../bin/baton')

const spec = `
name: lab
guests:
  marked: { count: 2, image: tiny, memory: 96M, autostart: true }
  other: { image: tiny, memory: 96M }
`

export async function liveWithHost(options: CallOptions): Promise<string> {
  // Made before: there is no network in there.
  await imageStore(localHost()).build('tiny', { kind: 'tiny' }, options)
  await using disk = await openDisk()
  {
    await using first = await bootSystemd(disk, options)
    await must(
      first,
      `ln -s ${program} /usr/local/bin/baton; cp ${packaging}/${guestsUnitName} /etc/systemd/system/`,
      options,
    )
    await must(first, `cat > lab.yaml << 'END'\n${spec}END\nbaton up lab.yaml`, options)
    await must(first, `systemctl daemon-reload && systemctl enable --now ${guestsUnitName}`, options)
    assert.deepEqual(await states(first, options), { 'marked-1': 'running', 'marked-2': 'running', other: 'running' })
    await halt(first, options)
  }
  {
    await using second = await bootSystemd(disk, options)
    assert.deepEqual(await states(second, options), { 'marked-1': 'running', 'marked-2': 'running', other: 'stopped' })
    await must(second, 'baton start other && baton save marked-2', options)
    await halt(second, options)
  }
  await using third = await bootSystemd(disk, options)
  const said = await must(third, `journalctl --no-pager --output=cat --unit ${guestsUnitName}`, options)
  for (const line of ['marked-1: started', 'marked-2: started', 'marked-1: shut down', 'other: shut down'])
    assert.match(said, new RegExp(`^${line}$`, 'm'))
  assert.doesNotMatch(said, /ended|not /)
  assert.deepEqual(await states(third, options), { 'marked-1': 'running', 'marked-2': 'running', other: 'stopped' })
  await halt(third, options)
  return 'what is marked is there after a boot, also what was saved; all are shut down before the host halts'
}

async function halt(systemd: Systemd, options: CallOptions): Promise<void> {
  await must(systemd, 'systemctl poweroff', options)
  await systemd.ended(options)
}

async function states(systemd: Systemd, options: CallOptions): Promise<Readonly<Record<string, string>>> {
  const listed = JSON.parse(await must(systemd, 'baton list --json', options)) as { guests?: unknown }
  const guests = (listed.guests ?? listed) as readonly { readonly name: string; readonly state: string }[]
  return Object.fromEntries(guests.map(({ name, state }) => [name, state]))
}

async function must(systemd: Systemd, script: string, options: CallOptions): Promise<string> {
  const { code, stdout, stderr } = await systemd.run(script, options)
  assert.equal(code, 0, `${script}: ${stderr}${stdout}`)
  return stdout
}
