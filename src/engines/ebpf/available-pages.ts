/** What drop_entry, drop_packet and secure_tcp go by in their automatic modes: memory that is free or holds buffers only. */
import { readFileSync } from 'node:fs'

const pageKilobytes = 4

export function availablePages(): number {
  const text = readFileSync('/proc/meminfo', 'utf8')
  const kilobytes = (name: string): number => Number(new RegExp(`^${name}: +(\\d+) kB`, 'mu').exec(text)?.[1] ?? 0)
  return Math.floor((kilobytes('MemFree') + kilobytes('Buffers')) / pageKilobytes)
}
