import { describe, expect, test } from 'vitest'
import type { SyncDaemon, Synchronisation } from '../lvs/edit.ts'
import type { ClusterServices } from './control.ts'
import { bothSides, syncConflicts, syncOwner, wantedDaemons } from './wanted-daemons.ts'

const sync: Synchronisation = { interface: 'eth0', syncId: 3, group: '224.0.0.81', port: 8848, ttl: 1 }
const cluster = (name: string, own?: Synchronisation): ClusterServices => ({
  cluster: name,
  services: [],
  ...(own === undefined ? {} : { sync: own }),
})
const byHand: SyncDaemon = { role: 'backup', ...sync, syncId: 9 }

describe('the synchronisation daemons of a director', () => {
  test('those made by hand run where no cluster has any', () => {
    expect(wantedDaemons([cluster('shop')], [byHand], () => bothSides)).toEqual([byHand])
  })

  test('a cluster has the sides that its role gives it, master first', () => {
    const wanted = (sides: readonly SyncDaemon['role'][]) => wantedDaemons([cluster('shop', sync)], [], () => sides)
    expect(wanted(['backup', 'master']).map(({ role }) => role)).toEqual(['master', 'backup'])
    expect(wanted(['backup'])).toEqual([{ role: 'backup', ...sync }])
    expect(wanted([])).toEqual([])
  })

  test('one director has one synchronisation', () => {
    const others = [cluster('a'), cluster('b', sync)]
    expect(syncOwner(others)).toBe('b')
    expect(syncConflicts(cluster('c', sync), others, [byHand])).toEqual([
      'the connections of this director are synchronised by b already',
      'a synchronisation daemon (backup) was started by hand',
    ])
    expect(syncConflicts(cluster('b', sync), others, [])).toEqual([])
    expect(syncConflicts(cluster('c'), others, [byHand])).toEqual([])
  })
})
