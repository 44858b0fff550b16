import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { localHost } from '../../hosts/local/local.ts'
import { toldAddresses } from '../xen/observe.ts'
import { addressesIn, afterSync, agentAddresses } from './agent.ts'

const answer = JSON.stringify({
  return: [
    { name: 'lo', 'ip-addresses': [{ 'ip-address': '127.0.0.1' }] },
    { name: 'eth0', 'ip-addresses': [{ 'ip-address': '10.0.0.5' }, { 'ip-address': 'fe80::1' }] },
    { name: 'eth1' },
  ],
})

/** An agent on a socket: `reply` gives what it says to the mark of who asks. */
async function withAgent(reply: (id: number) => string): Promise<readonly string[]> {
  const directory = await mkdtemp(join(tmpdir(), 'baton-agent-'))
  const path = join(directory, 'agent')
  const server = createServer((socket) => {
    socket.on('data', (piece) => {
      const id = /"id":(\d+)/.exec(piece.toString('latin1'))?.[1]
      if (id !== undefined) socket.write(reply(Number(id)), 'latin1')
    })
    socket.on('error', () => {})
  })
  await new Promise<void>((resolve) => server.listen(path, resolve))
  try {
    return await agentAddresses(localHost(), path, { signal: AbortSignal.timeout(10_000) })
  } finally {
    server.close()
    await rm(directory, { recursive: true })
  }
}

describe('an agent in a guest', () => {
  test('says the addresses of its cards', async () => {
    expect(await withAgent((id) => `\xff{"return": ${id}}\n${answer}\n`)).toEqual(['10.0.0.5', 'fe80::1'])
  })

  test('is not believed what somebody else has asked for', async () => {
    const other = '{"return": [{"name": "eth0", "ip-addresses": [{"ip-address": "10.9.9.9"}]}]}\n'
    expect(await withAgent((id) => `${other}\xff{"return": ${id}}\n${answer}\n`)).toEqual(['10.0.0.5', 'fe80::1'])
    expect(afterSync(other, 5)).toBeUndefined()
  })

  test('that does not answer is passed over', async () => {
    expect(await withAgent(() => '')).toEqual([])
    expect(await withAgent((id) => `\xff{"return": ${id}}\n{"error": {"class": "CommandNotFound"}}\n`)).toEqual([])
    expect(addressesIn('{"return": []}')).toEqual([])
  })
})

test('a guest on Xen says its addresses where its tools write them', () => {
  const listing =
    'vif = ""\n 0 = ""\n  ipv4 = ""\n   0 = "10.0.0.5"\n  ipv6 = ""\n   0 = "2001:db8::5"\neth0 = ""\n ip = "10.0.0.6"\nos = "5.4"\n'
  expect(toldAddresses(listing)).toEqual(['10.0.0.5', '2001:db8::5', '10.0.0.6'])
  expect(toldAddresses('')).toEqual([])
})
