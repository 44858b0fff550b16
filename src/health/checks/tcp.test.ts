import { createServer } from 'node:net'
import { describe, expect, test } from 'vitest'
import { closedPort, deadlineMs, listen, openDescriptors, probe, raw } from '../../../test/build/servers.ts'
import { openProbe } from './registry.ts'

describe('check tcp', () => {
  test('a server that takes connections is healthy, whatever it does with them', async () => {
    const before = openDescriptors()
    await using silent = await raw(() => {})
    await using closing = await raw((socket) => void socket.end())
    for (const server of [silent, closing]) {
      expect(await probe({ kind: 'tcp' }, server.port)).toMatchObject({ healthy: true })
      await expect.poll(() => server.open()).toBe(0)
    }
    await expect.poll(openDescriptors).toBeLessThanOrEqual(before + 2)
  })

  test('a server that resets was there or not, but nothing is left of it', async () => {
    await using server = await raw((socket) => void socket.resetAndDestroy())
    const before = openDescriptors()
    expect((await probe({ kind: 'tcp' }, server.port)).tookMs).toBeLessThan(deadlineMs)
    await expect.poll(() => server.open()).toBe(0)
    await expect.poll(openDescriptors).toBeLessThanOrEqual(before)
  })

  test('IPv6 works as IPv4 does', async () => {
    await using server = await listen(createServer(), '::1')
    expect((await probe({ kind: 'tcp' }, server.port, '::1')).healthy).toBe(true)
  })

  test('a closed port says so at once', async () => {
    const result = await probe({ kind: 'tcp' }, await closedPort())
    expect(result).toMatchObject({ healthy: false, detail: expect.stringContaining('ECONNREFUSED') as string })
    expect(result.tookMs).toBeLessThan(deadlineMs)
  })

  test('an aborted probe ends at once', async () => {
    await using server = await raw(() => {})
    const target = { address: '127.0.0.1', port: server.port }
    const result = await openProbe({ kind: 'tcp' })(target, { signal: AbortSignal.abort() })
    expect(result).toMatchObject({ healthy: false, detail: expect.stringContaining('in time') as string })
    await expect.poll(() => server.open()).toBe(0)
  })
})
