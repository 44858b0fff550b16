/** One file, two machines over SSH: `baton up` makes directors of both, and one has the address whoever lives. */
import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import type { ClusterStatusJson } from '../../src/cli/local/cluster-status.ts'
import { openBaton } from '../hello/baton.ts'
import { type Sshd, startSshd } from '../hosts/sshd.ts'
import { Site, until } from './world.ts'

const execute = promisify(execFile)
const address = '10.99.0.100'
const programs = join(import.meta.dirname, '../../bin')
const [realServer, operator] = [2, 3]

type Machine = AsyncDisposable & { readonly sshd: Sshd; readonly host: string }

/** A machine with an sshd, with `baton` on its path and directories of its own. */
async function openMachine(site: Site, at: number): Promise<Machine> {
  const directory = mkdtempSync(join(tmpdir(), 'bm-'))
  const host = `10.99.0.${at + 1}`
  const variables = ['RUNTIME', 'STATE', 'CACHE'].map((name) => `BATON_${name}_DIR=${directory}/${name.toLowerCase()}`)
  const path = `PATH=${programs}:${process.env['PATH']}`
  const sshd = await startSshd([`SetEnv ${[path, ...variables].join(' ')}`], {
    namespace: site.name(at),
    address: host,
  })
  return {
    sshd,
    host,
    async [Symbol.asyncDispose]() {
      await sshd[Symbol.asyncDispose]()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

async function directorsAt(site: Site, at: number): Promise<number[]> {
  return (await site.processes(at)).filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('\0director\0')
    } catch {
      return false // it ended a moment ago
    }
  })
}

test('one file makes two directors: the backup serves when the master dies, and the next up brings it back', {
  timeout: 400_000,
}, async () => {
  await using site = await Site.open(4)
  site.start(realServer, 'socat', 'TCP-LISTEN:8080,fork,reuseaddr', 'SYSTEM:echo hello')
  await using first = await openMachine(site, 0)
  await using second = await openMachine(site, 1)
  await using baton = openBaton(site.inside(operator))
  const config = join(baton.directory, 'ssh_config')
  writeFileSync(
    config,
    [first, second]
      .map(({ host, sshd: { directory } }) =>
        [
          `Host ${host}`,
          `IdentityFile ${directory}/client`,
          'IdentitiesOnly yes',
          `UserKnownHostsFile ${directory}/known_hosts`,
          '',
        ].join('\n'),
      )
      .join('\n'),
  )
  baton.environment['BATON_SSH_CONFIG'] = config
  const file = join(baton.directory, 'baton.yaml')
  const write = (every: string): void =>
    writeFileSync(
      file,
      `name: pair
hosts:
  one: { ssh: "root@${first.host}:${first.sshd.port}" }
  two: { ssh: "root@${second.host}:${second.sshd.port}" }
services:
  www: { address: "${address}:80", servers: [{ address: "10.99.0.3:8080" }], check: { tcp: true, every: ${every} } }
directors:
  hosts: [one, two]
  engine: userspace
  vrrp: { interface: eth0, id: 51, every: 200ms, priority: { one: 150, two: 100 }, addresses: [${address}/24] }
`,
    )
  const succeed = async (...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await baton.run(...args)
    expect(code, `baton ${args.join(' ')}\n${stdout}${stderr}`).toBe(0)
    return stdout
  }
  const isServed = async (): Promise<boolean> => {
    const [program, ...words] = [...site.inside(operator), 'socat', '-T2', '-', `TCP:${address}:80,connect-timeout=1`]
    const { stdout } = await execute(program, words).catch(() => ({ stdout: '' }))
    return stdout.trim() === 'hello'
  }
  const stands = (what: string, isThere: (holders: readonly number[]) => boolean): Promise<number> =>
    until(what, async () => isThere(await site.holders(address)) && (await isServed()), 60_000)

  write('500ms')
  const plan = (await baton.run('plan', file)).stdout
  for (const host of ['one', 'two']) {
    expect(plan).toContain(`director.start ${host}`)
    expect(plan).toContain(`services.apply ${host}`)
  }
  expect(await succeed('up', file)).toMatch(/^one\n[\s\S]*^two\n/m)
  await stands('the first is master', (holders) => holders.join() === '0')
  expect(await succeed('plan', file)).not.toContain('director.')
  const roles = async (): Promise<unknown[]> =>
    (JSON.parse((await baton.run('status', file, '--json')).stdout) as ClusterStatusJson).machines.map(
      ({ hosts, routers, unreachable, director }) => [hosts[0], unreachable ?? routers[0]?.role ?? director],
    )
  expect(await roles()).toEqual([
    ['one', 'master'],
    ['two', 'backup'],
  ])

  write('400ms')
  expect((await baton.run('plan', file)).stdout).toMatch(/services\.apply one[\s\S]*services\.apply two/)
  await succeed('up', file)

  for (const pid of await directorsAt(site, 0)) process.kill(pid, 'SIGKILL')
  await stands('the second has it', (holders) => holders.includes(1))
  expect(await roles()).toEqual([
    ['one', null],
    ['two', 'master'],
  ])
  await succeed('up', file)
  await stands('the first is back', (holders) => holders.join() === '0')

  await succeed('down', file)
  expect(await site.holders(address)).toEqual([])
  expect([...(await directorsAt(site, 0)), ...(await directorsAt(site, 1))]).toEqual([])
})
