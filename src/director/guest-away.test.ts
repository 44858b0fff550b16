import { describe, expect, test } from 'vitest'
import { guestServer, openDirectorWorld as openWorld, put, weights, within } from '../../test/build/director.ts'
import { buildCheck, buildServer, buildWanted } from '../../test/build/services.ts'

describe('a guest that was away', () => {
  test('joins only when its checks have passed anew, though they had never failed', async () => {
    await using world = await openWorld()
    const servers = [guestServer(1001), buildServer(1002)]
    await put(world, buildWanted({ servers, checks: [buildCheck({ rise: 2, fall: 2 })] }))
    await world.timing.advance(5000)
    expect(await weights(world)).toEqual({ 8080: { 1001: 1, 1002: 1 } })
    await world.director.drain({ guest: 'web-1', until: 'start' }, within())
    world.silent.add(1001)
    await world.director.undrain({ guest: 'web-1', until: 'start' }, within())
    expect(await weights(world)).toEqual({ 8080: { 1001: 0, 1002: 1 } })
    await world.timing.advance(5000)
    expect(await weights(world)).toEqual({ 8080: { 1001: 0, 1002: 1 } })
    world.silent.delete(1001)
    await world.timing.advance(5000)
    expect(await weights(world)).toEqual({ 8080: { 1001: 1, 1002: 1 } })
  })
})
