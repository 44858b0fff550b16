import { describe, expect, test } from 'vitest'
import { buildCheck, buildServer, buildWanted } from '../../test/build/services.ts'
import { fakeHost } from '../hosts/fake/fake.ts'
import { emptyIntent, fileIntentStore } from './intent.ts'
import { migrated } from './intent-migration.ts'

const { checks: _checks, ...bare } = buildWanted({ servers: [] })
const check = buildCheck({ port: 8080 })
const stored = (service: object): object => ({ ...emptyIntent, clusters: [{ cluster: 'shop', services: [service] }] })
const forwarded = { ...buildServer(20_001), guest: 'web-1', guestPort: 80, checkPort: 20_002 }

describe('an intent of the version before', () => {
  test.each<{ name: string; was: object; is: object }>([
    { name: 'one check becomes a list', was: { ...bare, check }, is: { ...bare, checks: [check] } },
    { name: 'no check becomes none', was: bare, is: { ...bare, checks: [] } },
    {
      name: 'the port where a check reached a server is said by the port it means',
      was: { ...bare, check, servers: [forwarded] },
      is: {
        ...bare,
        checks: [check],
        servers: [{ ...buildServer(20_001), guest: 'web-1', guestPort: 80, checkPorts: { 8080: 20_002 } }],
      },
    },
    {
      name: 'which is the guest’s own when the check names none',
      was: { ...bare, check: buildCheck(), servers: [forwarded] },
      is: {
        ...bare,
        checks: [buildCheck()],
        servers: [{ ...buildServer(20_001), guest: 'web-1', guestPort: 80, checkPorts: { 80: 20_002 } }],
      },
    },
  ])('$name', async ({ was, is }) => {
    expect(migrated(stored(was))).toEqual(stored(is))
    expect(migrated(stored(is))).toEqual(stored(is))
    const host = fakeHost({ name: 'local' })
    const options = { signal: AbortSignal.timeout(5000) }
    await host.writeFile(`${host.directories.state}/director/intent.json`, JSON.stringify(stored(was)), options)
    expect(await fileIntentStore(host).load(options)).toEqual({ intent: stored(is) })
  })

  test.each([undefined, null, 3, [], {}, { clusters: 3 }, { clusters: [3, { services: [null] }] }])(
    '%j is nothing to it',
    (other) => {
      expect(migrated(other)).toEqual(other)
    },
  )
})
