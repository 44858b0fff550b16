/** Storage pools, volumes, networks and leases of libvirt. */
import type { Lease, NetworkState } from '../../guests/libvirt/networks.ts'
import type { PoolState } from '../../guests/libvirt/pools.ts'
import type { VolumeState } from '../../guests/libvirt/volumes.ts'
import type { Paint } from '../terminal/paint.ts'
import { table } from './table.ts'
import { formatBytes } from './units.ts'

const yesNo = (is: boolean): string => (is ? 'yes' : 'no')

export function poolsView(pools: readonly PoolState[], paint: Paint): string[] {
  if (pools.length === 0) return ['no storage pools']
  const columns = [
    { title: 'POOL' },
    { title: 'KIND' },
    { title: 'ACTIVE' },
    { title: 'AUTOSTART' },
    { title: 'SIZE', align: 'right' as const },
    { title: 'FREE', align: 'right' as const },
    { title: 'PATH' },
  ]
  const rows = pools.map(({ name, kind, isActive, autostart, size, path }) => [
    name,
    kind,
    yesNo(isActive),
    yesNo(autostart),
    size === undefined ? '-' : formatBytes(size.capacity),
    size === undefined ? '-' : formatBytes(size.available),
    path,
  ])
  return table(columns, rows, paint)
}

export function volumesView(volumes: readonly VolumeState[], paint: Paint): string[] {
  if (volumes.length === 0) return ['no volumes']
  const columns = [
    { title: 'VOLUME' },
    { title: 'FORMAT' },
    { title: 'SIZE', align: 'right' as const },
    { title: 'USED', align: 'right' as const },
    { title: 'OVER' },
  ]
  const rows = volumes.map(({ name, format, sizeBytes, allocatedBytes, backing }) => [
    name,
    format,
    formatBytes(sizeBytes),
    formatBytes(allocatedBytes),
    backing ?? '-',
  ])
  return table(columns, rows, paint)
}

export function networksView(networks: readonly NetworkState[], paint: Paint): string[] {
  if (networks.length === 0) return ['no networks']
  const columns = ['NETWORK', 'KIND', 'ACTIVE', 'AUTOSTART', 'BRIDGE', 'ADDRESS'].map((title) => ({ title }))
  const rows = networks.map(({ name, kind, isActive, autostart, bridge, address }) => [
    name,
    kind,
    yesNo(isActive),
    yesNo(autostart),
    bridge ?? '-',
    address ?? '-',
  ])
  return table(columns, rows, paint)
}

export function leasesView(leases: readonly Lease[], paint: Paint): string[] {
  if (leases.length === 0) return ['no leases']
  const columns = ['ADDRESS', 'MAC', 'NAME', 'UNTIL'].map((title) => ({ title }))
  const rows = leases.map(({ address, mac, hostname, expires }) => [
    address,
    mac,
    hostname ?? '-',
    new Date(expires * 1000).toISOString().replace('T', ' ').slice(0, 19),
  ])
  return table(columns, rows, paint)
}
