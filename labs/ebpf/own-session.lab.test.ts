/** An SSH session's only path is not taken, unless it is named. */
import { once } from 'node:events'
import { beforeAll, expect, test } from 'vitest'
import { openBaton } from '../hello/baton.ts'
import { eventually } from '../net/loopback.ts'
import { openTopology } from './topology.ts'
import { execute, openBpfWorld } from './world.ts'

const program = new URL('../../bin/baton', import.meta.url).pathname

beforeAll(() => execute(process.execPath, ['scripts/build.mjs']))

test('the interface of an SSH session is not taken where it is its only path, unless it is named', async () => {
  await using world = await openBpfWorld()
  await using topology = await openTopology('direct')
  await using baton = openBaton()
  // As sshd does it: a connection stands, and its ends are told of.
  topology.start('director', process.env, 'socat', 'TCP-LISTEN:22,reuseaddr', 'PIPE')
  const dialled = 'TCP:10.0.0.1:22,sourceport=50000,retry=50,interval=0.1'
  topology.start('client', process.env, 'socat', '-', dialled)
  const connections = (): Promise<string> => topology.run('director', 'cat', '/proc/net/tcp')
  await eventually('the session stands', async () => /:C350 01 /u.test(await connections()))
  const environment = {
    ...baton.environment,
    BATON_BPF_DIR: world.bpfFileSystem,
    SSH_CONNECTION: '10.0.0.2 50000 10.0.0.1 22',
  }
  const director = [process.execPath, program, 'director', '--engine', 'ebpf']
  const refused = topology.start('director', environment, ...director)
  let said = ''
  refused.stdout?.on('data', (piece: Buffer) => (said += piece.toString()))
  expect(await once(refused, 'close')).toEqual([1, null])
  expect(said).toContain('interface veth10 is the only path of this SSH session, from 10.0.0.2')
  expect(said).toContain('--interface veth10')

  topology.start('director', environment, ...director, '--interface', 'veth10', 'lo')
  await eventually('named, it is taken', async () => (await baton.run('ipvsadm', '-L')).code === 0, 20_000)
  for (const pid of baton.processes()) process.kill(pid, 'SIGINT')
  await eventually('it has ended', () => baton.processes().length === 0)
  await topology.removeLocks()
})
