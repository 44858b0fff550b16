/** Linux's own self-test of IPVS, on the eBPF engine: every method, both families, TCP and UDP, by the commands of the original. */
import { setTimeout as pause } from 'node:timers/promises'
import { beforeAll, describe, expect, test } from 'vitest'
import { eventually } from '../net/loopback.ts'
import { echoed, type Lab, openLab, port, serve } from './lab.ts'
import { addresses, type Mode } from './topology.ts'
import { execute } from './world.ts'

const options: Readonly<Record<Mode, string>> = { direct: '-g', masq: '-m', tunnel: '-i' }

beforeAll(() => execute(process.execPath, ['scripts/build.mjs']))

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
