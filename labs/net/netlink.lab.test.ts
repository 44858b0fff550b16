/** Netlink with the kernel itself: questions, refusals, dumps, and what it tells by itself. */
import { EventEmitter, once } from 'node:events'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { followNetlink, NetlinkSocket } from '../../src/os/netlink.ts'
import { waysTo } from '../../src/os/route.ts'
import { decodeAttributes, encodeAttributes, readText, text } from '../../src/wire/netlink.ts'
import { enterNewNamespace, execute } from '../ebpf/world.ts'

const RTM_NEWLINK = 16
const RTM_GETLINK = 18
const RTM_DELLINK = 17
const RTNLGRP_LINK = 1
const IFLA_IFNAME = 3
const linkBytes = 16

let namespace: Awaited<ReturnType<typeof enterNewNamespace>>
beforeAll(async () => {
  namespace = await enterNewNamespace()
})
afterAll(() => namespace[Symbol.asyncDispose]())

const nameOf = (payload: Uint8Array): string =>
  readText(decodeAttributes(payload, linkBytes).get(IFLA_IFNAME) ?? new Uint8Array())
const byName = (name: string): Uint8Array =>
  Uint8Array.from([...new Uint8Array(linkBytes), ...encodeAttributes([[IFLA_IFNAME, text(name)]])])

describe('netlink with the kernel', () => {
  test('a question is answered, and a refusal has its errno', () => {
    using socket = new NetlinkSocket('route')
    const [link] = socket.request({ type: RTM_GETLINK, payload: byName('lan'), verb: 'ask for lan' })
    expect(nameOf(link?.payload ?? new Uint8Array())).toBe('lan')
    expect(() => socket.request({ type: RTM_GETLINK, payload: byName('none'), verb: 'ask for none' })).toThrow(
      expect.objectContaining({ errno: 'ENODEV', code: 'failed', message: 'ask for none: ENODEV' }),
    )
    // The socket is as good as before.
    expect(socket.request({ type: RTM_GETLINK, payload: byName('lo'), verb: 'ask for lo' })).toHaveLength(1)
  })

  test('a dump has all, in as many parts as it needs', async () => {
    const names = Array.from({ length: 300 }, (_, number) => `many${number}`)
    const batch = names.map((name) => `link add ${name} type bridge\n`).join('')
    await execute('sh', ['-c', `printf '%s' "$0" | ip -n ${namespace.name} -batch -`, batch])
    using socket = new NetlinkSocket('route')
    const links = await socket.dump({ type: RTM_GETLINK, payload: new Uint8Array(linkBytes), verb: 'list links' })
    expect(links.map(({ payload }) => nameOf(payload))).toEqual(expect.arrayContaining(['lo', 'lan', 'far', ...names]))
    expect(links).toHaveLength(names.length + 3)
  })

  test('several dumps and a question at the same time each get what is theirs', async () => {
    using socket = new NetlinkSocket('route')
    const all = { type: RTM_GETLINK, payload: new Uint8Array(linkBytes), verb: 'list links' }
    const dumps = [socket.dump(all), socket.dump(all), socket.dump(all)]
    await Promise.resolve()
    const [link] = socket.request({ type: RTM_GETLINK, payload: byName('lan'), verb: 'ask for lan' })
    expect(nameOf(link?.payload ?? new Uint8Array())).toBe('lan')
    const counts = (await Promise.all(dumps)).map((links) => links.length)
    expect(counts).toEqual([303, 303, 303])
  })

  test('what changes is told, until nobody listens any more', async () => {
    const told: string[] = []
    const news = new EventEmitter()
    const listening = followNetlink('route', [RTNLGRP_LINK], (one) => {
      if (one.kind !== 'messages') return
      for (const { type, payload } of one.messages)
        if (type === RTM_NEWLINK || type === RTM_DELLINK)
          told.push(`${type === RTM_NEWLINK ? 'new' : 'gone'} ${nameOf(payload)}`)
      if (told.includes('gone fresh')) news.emit('gone')
    })
    const gone = once(news, 'gone', { signal: AbortSignal.timeout(10_000) })
    await execute('ip', ['-n', namespace.name, 'link', 'add', 'fresh', 'type', 'bridge'])
    await execute('ip', ['-n', namespace.name, 'link', 'delete', 'fresh'])
    await gone
    listening[Symbol.dispose]()
    expect(told.filter((line) => line.endsWith('fresh'))).toEqual(expect.arrayContaining(['new fresh', 'gone fresh']))
    const before = told.length
    await execute('ip', ['-n', namespace.name, 'link', 'add', 'unheard', 'type', 'bridge'])
    expect(told).toHaveLength(before)
  })

  test('the way to an address, or that there is none', () => {
    const ways = waysTo(['10.50.0.9', 'fd50::9', '192.0.2.1', '2001:db8::1'])
    expect(ways.get('10.50.0.9')).toMatchObject({ source: '10.50.0.1' })
    expect(ways.get('fd50::9')).toMatchObject({ source: 'fd50::1' })
    expect([...ways.keys()]).toEqual(['10.50.0.9', 'fd50::9'])
  })
})
