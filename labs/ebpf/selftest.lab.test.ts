/** Linux's own self-test of IPVS, on the eBPF engine: every method, both families, TCP and UDP, by the commands of the original. */
import { randomBytes } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { beforeAll, describe, expect, test } from 'vitest'
import { type Baton, openBaton } from '../hello/baton.ts'
import { eventually } from '../net/loopback.ts'
import { addresses, type Mode, openTopology, type Topology } from './topology.ts'
import { execute, openBpfWorld } from './world.ts'

const program = new URL('../../bin/baton', import.meta.url).pathname
const port = 8080
const options: Readonly<Record<Mode, string>> = { direct: '-g', masq: '-m', tunnel: '-i' }

beforeAll(() => execute(process.execPath, ['scripts/build.mjs']))

type Lab = AsyncDisposable & {
  readonly topology: Topology
  readonly baton: Baton
  ipvsadm(...words: string[]): Promise<string>
}

async function openLab(mode: Mode): Promise<Lab> {
  const world = await openBpfWorld()
  const topology = await openTopology(mode)
  const baton = openBaton()
  baton.environment['BATON_BPF_DIR'] = world.bpfFileSystem
  topology.start(
    'director',
    baton.environment,
    process.execPath,
    program,
    'director',
    '--supervise',
    '--engine',
    'ebpf',
  )
  const ipvsadm = async (...words: string[]): Promise<string> => {
    const { code, stdout, stderr } = await baton.run('ipvsadm', ...words)
    expect([code, stderr], words.join(' ')).toEqual([0, ''])
    return stdout
  }
  await eventually('the director serves', async () => (await baton.run('ipvsadm', '-L')).code === 0, 20_000)
  return {
    topology,
    baton,
    ipvsadm,
    async [Symbol.asyncDispose]() {
      for (const pid of baton.processes()) process.kill(pid, 'SIGKILL')
      await topology.removeLocks()
      await topology[Symbol.asyncDispose]()
      await baton[Symbol.asyncDispose]()
      await world[Symbol.asyncDispose]()
    },
  }
}

type Family = keyof typeof addresses
type Protocol = 'TCP' | 'UDP'

/** An echo, as the protocol goes. */
function serve({ topology }: Lab, family: Family, protocol: Protocol, mode: Mode): void {
  const { vip, server } = addresses[family]
  const version = family === 'ipv6' ? 6 : 4
  const at = mode === 'masq' ? server : vip
  const bound = `bind=${family === 'ipv6' ? `[${at}]` : at},fork,reuseaddr`
  const listen =
    protocol === 'TCP' ? `TCP${version}-LISTEN:${port},${bound}` : `UDP${version}-RECVFROM:${port},${bound}`
  topology.start('server', process.env, 'socat', listen, 'EXEC:cat')
}

async function echoed({ topology }: Lab, family: Family, protocol: Protocol): Promise<boolean> {
  const { vip } = addresses[family]
  const words = randomBytes(16).toString('hex')
  const to = `${protocol}${family === 'ipv6' ? 6 : 4}:${family === 'ipv6' ? `[${vip}]` : vip}:${port}`
  const heard = await topology.run('client', 'sh', '-c', `echo ${words} | timeout 2 socat -t 1 - ${to} || true`)
  return heard.trim() === words
}

describe('the self-test of IPVS', () => {
  test.each<Mode>(['direct', 'masq', 'tunnel'])(
    '%s: what a client sends reaches the real server, and comes back',
    async (mode) => {
      await using lab = await openLab(mode)
      for (const family of ['ipv4', 'ipv6'] as const)
        for (const protocol of ['TCP', 'UDP'] as const) {
          const { vip, server } = addresses[family]
          const [service, real] = [vip, server].map((address) =>
            family === 'ipv6' ? `[${address}]:${port}` : `${address}:${port}`,
          )
          const kind = protocol === 'TCP' ? '-t' : '-u'
          await lab.ipvsadm('-A', kind, service ?? '', '-s', 'rr')
          await lab.ipvsadm('-a', kind, service ?? '', '-r', real ?? '', options[mode])
          serve(lab, family, protocol, mode)
          await eventually(`${mode} ${family} ${protocol}`, () => echoed(lab, family, protocol))
        }
      const table = await lab.ipvsadm('-Ln', '--stats')
      expect(table.match(/^(?:TCP|UDP) .* [1-9]\d* +[1-9]\d* /gmu)).toHaveLength(4)
      // Replies pass the director only with NAT.
      const listed = await lab.ipvsadm('-Lnc')
      expect(listed).toMatch(mode === 'masq' ? /TCP .*TIME_WAIT/u : /TCP .*FIN_WAIT/u)
    },
  )

  test('a director that is killed stops no traffic, and the next one goes on with the same table', async () => {
    await using lab = await openLab('masq')
    const { vip, server } = addresses.ipv4
    await lab.ipvsadm('-A', '-t', `${vip}:${port}`, '-s', 'wlc')
    await lab.ipvsadm('-a', '-t', `${vip}:${port}`, '-r', `${server}:${port}`, '-m')
    await lab.ipvsadm('-a', '-t', `${vip}:${port}`, '-r', `${server}:8081`, '-m', '-w', '2')
    const web = `defaults
  mode http
  timeout client 9s
  timeout server 9s
  timeout connect 9s
frontend web
  bind :${port}
  bind :8081
  http-request return status 200 content-type text/plain string ok
`
    const config = `${lab.baton.directory}/web.cfg`
    await lab.topology.run('director', 'sh', '-c', `cat > ${config} <<'END'\n${web}END`)
    lab.topology.start('server', process.env, 'haproxy', '-q', '-db', '-f', config)
    await eventually(
      'the web server answers',
      async () =>
        (await lab.topology.run('client', 'sh', '-c', `curl -s -m 1 http://${vip}:${port}/ || true`)) === 'ok',
    )
    const before = await lab.ipvsadm('-Sn')
    const load = lab.topology.run(
      'client',
      'wrk',
      '-t',
      '1',
      '-c',
      '16',
      '-d',
      '6s',
      '-H',
      'Connection: close',
      `http://${vip}:${port}/`,
    )
    await pause(1500)
    process.kill((await directorOf(lab)).processId, 'SIGKILL')
    const text = await load
    expect(text).not.toMatch(/Socket errors|Non-2xx/u)
    expect(Number(/(\d+) requests in/u.exec(text)?.[1])).toBeGreaterThan(100)
    await eventually('the next director answers', async () => (await lab.baton.run('ipvsadm', '-L')).code === 0, 20_000)
    expect(await lab.ipvsadm('-Sn')).toBe(before)
    expect((await directorOf(lab)).restarts).toBe(1)
    // Counted by two processors, over a crash: not one too many, not one too few.
    const counted = [...(await lab.ipvsadm('-Ln')).matchAll(/Masq +\d+ +(\d+) +(\d+)/gu)]
    const sum = counted.reduce((sum, [, active, inactive]) => sum + Number(active) + Number(inactive), 0)
    const listed = (await lab.ipvsadm('-Lnc')).match(/^TCP /gmu) ?? []
    expect(sum).toBeGreaterThan(100)
    expect(listed).toHaveLength(sum)
  })
})

/** Not the supervisor. */
async function directorOf({ baton }: Lab): Promise<{ readonly processId: number; readonly restarts: number }> {
  const { director } = await baton.json<{ director: { processId: number; restarts: number } }>('status')
  return director
}
