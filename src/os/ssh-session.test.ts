import { describe, expect, test } from 'vitest'
import { hasEstablished, sessionIn } from './ssh-session.ts'

describe('the SSH session of a process', () => {
  test.each([
    {
      name: 'IPv4',
      text: '192.0.2.7 50000 192.0.2.1 22',
      session: { client: '192.0.2.7', clientPort: 50_000, server: '192.0.2.1' },
    },
    {
      name: 'IPv6',
      text: '2001:db8::7 50000 2001:db8::1 22',
      session: { client: '2001:db8::7', clientPort: 50_000, server: '2001:db8::1' },
    },
    { name: 'nonsense', text: 'UNKNOWN 65535 UNKNOWN 65535', session: undefined },
  ])('$name', ({ text, session }) => {
    expect(sessionIn(`HOME=/root\0SSH_CONNECTION=${text}\0TERM=xterm\0`)).toEqual(session)
    expect(sessionIn('HOME=/root\0')).toBeUndefined()
  })

  const table = [
    '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode',
    '   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1',
    '   1: 010200C0:0016 070200C0:C350 01 00000000:00000000 00:00000000 00000000     0        0 2',
    '   2: 010200C0:0016 080200C0:C350 06 00000000:00000000 00:00000000 00000000     0        0 3',
  ].join('\n')
  const wide = [
    '   0: 0000000000000000FFFF0000010200C0:0016 0000000000000000FFFF0000070200C0:C351 01',
    '   1: B80D0120000000000000000001000000:0016 B80D0120000000000000000007000000:C350 01',
  ].join('\n')

  test.each([
    { name: 'one that stands', table, client: '192.0.2.7', port: 50_000, stands: true },
    { name: 'another port', table, client: '192.0.2.7', port: 50_001, stands: false },
    { name: 'one that is over', table, client: '192.0.2.8', port: 50_000, stands: false },
    { name: 'IPv4 at a socket for both', table: wide, client: '192.0.2.7', port: 50_001, stands: true },
    { name: 'IPv6', table: wide, client: '2001:db8::7', port: 50_000, stands: true },
    { name: 'nothing', table: '', client: '192.0.2.7', port: 50_000, stands: false },
  ])('$name', ({ table, client, port, stands }) => {
    expect(hasEstablished(table, client, port)).toBe(stands)
  })
})
