import { expect, test } from 'vitest'
import { macOfGuest, randomMac } from './mac-address.ts'

test('a guest’s address stays, and differs between guests and clusters', () => {
  const inCluster = (cluster: string): string => macOfGuest('qemu', { name: 'web-1', mark: { cluster, pool: 'web' } })
  expect(inCluster('shop')).toBe(inCluster('shop'))
  expect(new Set([inCluster('shop'), inCluster('blog'), macOfGuest('qemu', { name: 'web-1' })]).size).toBe(3)
  expect(inCluster('shop')).toMatch(/^52:54:00(:[0-9a-f]{2}){3}$/)
})

test('each range is the hypervisor’s own', () => {
  expect(macOfGuest('xen', { name: 'web-1' })).toMatch(/^00:16:3e(:[0-9a-f]{2}){3}$/)
  expect(randomMac('xen')).toMatch(/^00:16:3e(:[0-9a-f]{2}){3}$/)
  expect(randomMac('qemu')).not.toBe(randomMac('qemu'))
})
