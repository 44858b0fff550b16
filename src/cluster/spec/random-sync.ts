/** Random synchronisations that a file can say, for property tests. */
import fc from 'fast-check'
import type { Synchronisation } from '../../lvs/edit.ts'
import { defaultTellingRules } from '../../lvs/telling.ts'

/** `path`: of its key. */
export function randomSync(path: fc.Arbitrary<string>): fc.Arbitrary<Synchronisation> {
  const rules = fc
    .record({
      threshold: fc.nat({ max: 1_000_000 }),
      period: fc.nat({ max: 1_000_000 }),
      refreshSeconds: fc.nat({ max: 86_400 }),
      retries: fc.nat({ max: 3 }),
      persistentOnly: fc.boolean(),
    })
    // What is usual is left out.
    .filter((rules) => JSON.stringify(rules) !== JSON.stringify(defaultTellingRules))
  return fc.record(
    {
      interface: fc.constantFrom('eth1', 'bond0.7'),
      syncId: fc.nat({ max: 255 }),
      group: fc.constantFrom('224.0.0.81', '239.1.2.3', 'ff02::81'),
      port: fc.integer({ min: 1, max: 65_535 }),
      ttl: fc.integer({ min: 1, max: 255 }),
      maxLength: fc.integer({ min: 1, max: 65_507 }),
      keyFile: path,
      rules,
    },
    { requiredKeys: ['interface', 'syncId', 'group', 'port', 'ttl'] },
  )
}
