import { describe, expect, test } from 'vitest'
import { probe, raw } from '../../../test/build/servers.ts'
import type { ProbeReport } from '../check.ts'
import { standsMisbehaviour } from './misbehaviour.contract.ts'

describe('check agent', () => {
  test.each<{ says: string; healthy: boolean; report?: ProbeReport; detail?: string }>([
    { says: 'up\n', healthy: true, report: {} },
    { says: 'ready up 75%\r\n', healthy: true, report: { wish: 'ready', weight: { percent: 75 } } },
    { says: '0%\n', healthy: true, report: { weight: { percent: 0 } } },
    { says: '200%, maxconn:30\n', healthy: true, report: { weight: { percent: 200 }, maximumConnections: 30 } },
    { says: 'DRAIN\n', healthy: true, report: { wish: 'drain' } },
    {
      says: 'maint # disk is being changed\n',
      healthy: true,
      report: { wish: 'maint' },
      detail: 'disk is being changed',
    },
    { says: 'down\n', healthy: false, report: {} },
    { says: 'fail\n', healthy: false, report: {} },
    { says: 'failed # no database\n', healthy: false, report: {}, detail: 'no database' },
    { says: 'stopped\n', healthy: false, report: {} },
    { says: 'ready 50% down\n', healthy: false, report: { wish: 'ready', weight: { percent: 50 } } },
    { says: 'splendid\n', healthy: false, detail: 'splendid' },
    { says: '-5%\n', healthy: false, detail: 'no word of agents' },
    { says: '\n', healthy: false, detail: 'says nothing' },
  ])('$says', async ({ says, healthy, report, detail = '' }) => {
    await using server = await raw((socket) => void socket.end(says))
    const result = await probe({ kind: 'agent' }, server.port)
    expect(result).toMatchObject({ healthy, detail: expect.stringContaining(detail) as string })
    expect(result.report).toEqual(report)
    await expect.poll(() => server.open()).toBe(0)
  })

  test('a line that ends with the connection counts', async () => {
    await using server = await raw((socket) => void socket.end('up 10%'))
    expect(await probe({ kind: 'agent' }, server.port)).toMatchObject({ report: { weight: { percent: 10 } } })
  })

  test('the agent is told what is to be sent', async () => {
    await using server = await raw((socket) => {
      socket.once('data', (said: Buffer) => socket.end(said.toString() === 'db1\n' ? 'up\n' : 'down\n'))
    })
    expect((await probe({ kind: 'agent', send: 'db1\n' }, server.port)).healthy).toBe(true)
  })
})

standsMisbehaviour({ kind: 'agent' }, { slowly: 'up\n' })
