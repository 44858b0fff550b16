/** What the director's own programs send: to services at its own addresses and at others, with real sockets. */
import { beforeAll, describe, expect, test } from 'vitest'
import { eventually } from '../net/loopback.ts'
import { echoed, type Family, type Lab, openLab, type Protocol, port, serve } from './lab.ts'
import { addresses } from './topology.ts'
import { execute } from './world.ts'

const kinds = (['ipv4', 'ipv6'] as const).flatMap((family) =>
  (['TCP', 'UDP'] as const).map((protocol) => ({ family, protocol })),
)
const option = { TCP: '-t', UDP: '-u' } as const

beforeAll(() => execute(process.execPath, ['scripts/build.mjs']))

const end = (address: string, at: number = port): string =>
  address.includes(':') ? `[${address}]:${at}` : `${address}:${at}`

async function offer(lab: Lab, family: Family, protocol: Protocol, ...real: string[]): Promise<void> {
  const service = [option[protocol], end(addresses[family].vip)]
  await lab.ipvsadm('-A', ...service, '-s', 'rr')
  for (const server of real) await lab.ipvsadm('-a', ...service, '-r', server, '-m')
}

/** The addresses of the services are the director's no more, but beyond its link to the client. */
async function moveAway({ topology }: Lab): Promise<void> {
  for (const [vip, gateway] of [
    [addresses.ipv4.vip, '10.0.0.2'],
    [addresses.ipv6.vip, 'fd00::2'],
  ] as const) {
    await topology.run('director', 'ip', 'address', 'delete', vip, 'dev', 'lo')
    await topology.run('director', 'ip', 'route', 'add', vip, 'via', gateway, 'dev', 'veth10')
  }
}

describe.each([true, false])('the director’s own programs, forwarding for others: %s', (forwards) => {
  test('reach servers by services at addresses of its own; so do clients beyond', async () => {
    await using lab = await openLab('masq', { forwards })
    for (const { family, protocol } of kinds) {
      await offer(lab, family, protocol, end(addresses[family].server))
      serve(lab, family, protocol, 'masq')
      await eventually(`${family} ${protocol} from here`, () => echoed(lab, family, protocol, 'director'))
      await eventually(`${family} ${protocol} from beyond`, () => echoed(lab, family, protocol))
    }
    expect((await lab.ipvsadm('-Ln', '--stats')).match(/^ +-> .* [1-9]\d* +[1-9]\d* +[1-9]\d* /gmu)).toHaveLength(4)
  })

  test('reach servers by services that are at no address of its own', async () => {
    await using lab = await openLab('masq', { forwards })
    await moveAway(lab)
    for (const { family, protocol } of kinds) {
      await offer(lab, family, protocol, end(addresses[family].server))
      serve(lab, family, protocol, 'masq')
      await eventually(`${family} ${protocol}`, () => echoed(lab, family, protocol, 'director'))
    }
  })
})
