import { expect, test } from 'vitest'
import { openDirectorWorld, within } from '../../test/build/director.ts'
import type { Synchronisation } from '../lvs/edit.ts'

const sync: Synchronisation = { interface: 'lo', syncId: 3, group: '224.0.0.81', port: 8848, ttl: 1 }
const put = (own?: Synchronisation) => ({ cluster: 'shop', services: [], ...(own === undefined ? {} : { sync: own }) })

test('the daemons of a cluster follow its file, and hands leave them alone', async () => {
  await using world = await openDirectorWorld()
  const daemons = async () =>
    (await world.director.table(within())).info.daemons.map(({ role, syncId }) => `${role} ${syncId}`)
  await world.director.putCluster(put(sync), within())
  expect(await daemons()).toEqual(['master 3', 'backup 3'])
  expect(await world.director.edit([{ kind: 'daemon.stop', role: 'master' }], within())).toMatchObject([
    { ok: false, errno: 'EPERM', message: 'the synchronisation daemons belong to shop' },
  ])
  await world.director.putCluster(put({ ...sync, syncId: 4 }), within())
  expect(await daemons()).toEqual(['master 4', 'backup 4'])
  await expect(world.director.putCluster({ ...put(sync), cluster: 'other' }, within())).rejects.toThrow(
    'synchronised by shop already',
  )
  expect((await world.director.status(within())).sync.map(({ daemon }) => daemon.role)).toEqual(['master', 'backup'])
  await world.director.putCluster(put(), within())
  expect(await daemons()).toEqual([])
})
