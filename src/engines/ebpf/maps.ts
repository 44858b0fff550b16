/** The program's maps as the director holds them: by calls, or as memory that both see. */
import { readFileSync } from 'node:fs'
import { BpfMap } from '../../os/bpf-map.ts'
import type { MapName } from './layout.ts'

/** An array in shared memory: entry `index` begins at byte `index * stride`. */
export type SharedArray = { readonly bytes: Buffer; readonly stride: number; readonly entries: number }

export type Maps = {
  readonly flows: BpfMap
  readonly templates: BpfMap
  readonly services: BpfMap
  readonly counters: BpfMap
  readonly settings: BpfMap
  readonly destinations: BpfMap
  readonly replicas: BpfMap
  readonly cpus: number
  readonly turns: SharedArray
  readonly servers: SharedArray
  readonly slots: SharedArray
  readonly kept: SharedArray
  readonly totals: SharedArray
  readonly vouched: SharedArray
  readonly reaping: SharedArray
  readonly localities: SharedArray
}

export function openMaps(fdOf: (name: MapName) => number): Maps {
  const shared = (name: MapName): SharedArray => sharedArray(new BpfMap(name, fdOf(name)))
  const cpus = possibleCpus()
  return {
    flows: new BpfMap('flows', fdOf('flows')),
    templates: new BpfMap('templates', fdOf('templates')),
    services: new BpfMap('services', fdOf('services')),
    counters: new BpfMap('counters', fdOf('counters'), cpus),
    settings: new BpfMap('settings', fdOf('settings')),
    destinations: new BpfMap('destinations', fdOf('destinations')),
    replicas: new BpfMap('replicas', fdOf('replicas')),
    cpus,
    turns: shared('turns'),
    servers: shared('servers'),
    slots: shared('slots'),
    kept: shared('kept'),
    totals: shared('totals'),
    vouched: shared('vouched'),
    reaping: shared('reaping'),
    localities: shared('localities'),
  }
}

export function sharedArray(map: BpfMap): SharedArray {
  return { ...map.mapped(), entries: map.info.maxEntries }
}

/** The kernel keeps an entry of a per-CPU map for each processor that may ever be plugged in. */
function possibleCpus(): number {
  const text = readFileSync('/sys/devices/system/cpu/possible', 'utf8')
  return Math.max(...text.split(/[,-]/u).map(Number)) + 1
}

export const indexKey = (index: number): Buffer => {
  const key = Buffer.alloc(4)
  key.writeUInt32LE(index)
  return key
}
