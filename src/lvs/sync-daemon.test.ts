import { describe, expect, test } from 'vitest'
import type { SyncDaemon } from './edit.ts'
import { startedDaemon } from './sync-daemon.ts'

const daemon: SyncDaemon = { role: 'master', interface: 'd0', syncId: 9, group: '224.0.0.81', port: 8848, ttl: 1 }

describe('the message size of a daemon', () => {
  test.each([
    { name: 'a master fills 1500 bytes', over: {}, mtu: 1500, size: 1472 },
    { name: 'a master fills 1500 bytes on any interface', over: {}, mtu: 9000, size: 1472 },
    { name: 'with IPv6 less fits', over: { group: 'ff02::81' }, mtu: 1500, size: 1452 },
    { name: 'a backup is ready for its interface', over: { role: 'backup' as const }, mtu: 9000, size: 8972 },
    { name: 'a backup is ready for what a master fills', over: { role: 'backup' as const }, mtu: 1280, size: 1472 },
    { name: 'a backup on the loopback interface', over: { role: 'backup' as const }, mtu: 65_536, size: 65_507 },
    { name: 'a master takes what is asked', over: { maxLength: 1 }, mtu: 1500, size: 1 },
    { name: 'a backup takes at least 1024', over: { role: 'backup' as const, maxLength: 1 }, mtu: 1500, size: 1024 },
    { name: 'no datagram is longer', over: { maxLength: 65_507, group: 'ff02::81' }, mtu: 1500, size: 65_487 },
  ])('$name', ({ over, mtu, size }) => {
    expect(startedDaemon({ ...daemon, ...over }, mtu)).toEqual({ ...daemon, ...over, maxLength: size })
  })
})
